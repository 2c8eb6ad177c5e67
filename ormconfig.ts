import { loadDotEnv, loadEnv } from './src/config/load-env';
import { MigrationDataSource } from './src/database/migration-data-source';

/** The DataSource of TypeORM's command line, which needs nothing but DATABASE_URL. */
export default new MigrationDataSource({
  url: databaseUrl(),
  log: (line) => process.stdout.write(`${line}\n`),
});

function databaseUrl(): string {
  try {
    loadDotEnv();
    const { DATABASE_URL } = loadEnv();
    if (DATABASE_URL) return DATABASE_URL;
    throw new Error(
      'Set DATABASE_URL to the PostgreSQL server to migrate; the embedded database is migrated by npm start.',
    );
  } catch (error) {
    // Thrown on, the command line would print it with a stack of its own.
    process.stderr.write(`${(error as Error).message}\n`);
    return process.exit(1);
  }
}
