import type { DataSource } from 'typeorm';
import { MigrationDataSource, MigrationFailure } from '../database/migration-data-source';
import { databaseFailure } from './database-failure';
import { StartupFailure } from './startup-failure';
import type { StartupLog } from './startup-log';
import { StartCancelled } from './stop-signals';

interface SchemaOptions {
  readonly url: string;
  readonly migrate: boolean;
  readonly log: StartupLog;
  /** Called between the tries of a migration that waits for others; it throws when the start is to be given up. */
  readonly proceed?: () => void;
}

/** Runs the missing migrations, or with `migrate` false only makes sure that there are none. */
export async function bringSchemaUpToDate(options: SchemaOptions): Promise<void> {
  const { url, migrate, log } = options;
  try {
    const [missing, unknown] = await withDataSource(options, pendingAndUnknown);
    if (missing.length > 0 && !migrate) {
      throw new StartupFailure(
        `The database schema is behind by ${missing.length} migration(s): run npm run migration:run, ` +
          'or set MIGRATE_ON_START=true.',
      );
    }
    if (missing.length > 0) await withDataSource(options, (db) => run(db, log));
    if (unknown.length > 0) {
      log.line(`the database schema is newer than this gateway: it does not know ${unknown.join(', ')}`);
    }
  } catch (error) {
    if (error instanceof StartupFailure || error instanceof StartCancelled) throw error;
    throw databaseFailure(error, url);
  }
}

async function run(db: DataSource, log: StartupLog): Promise<void> {
  try {
    const ran = await db.runMigrations({ transaction: 'each' });
    // Another process may have run them meanwhile.
    if (ran.length > 0) log.line(`ran ${ran.length} database migration(s)`);
  } catch (error) {
    if (!(error instanceof MigrationFailure)) throw error;
    throw new StartupFailure(`A database migration failed: ${error.message}.`, { cause: error.cause });
  }
}

/** Names of migrations: those that have not run here, and those that have but are not ours. */
async function pendingAndUnknown(db: DataSource): Promise<[string[], string[]]> {
  const table = db.options.migrationsTableName ?? 'migrations';
  const [{ exists }] = await db.query<[{ exists: boolean }]>(`SELECT to_regclass($1) IS NOT NULL AS exists`, [
    table,
  ]);
  const rows = exists ? await db.query<{ name: string }[]>(`SELECT name FROM "${table}"`) : [];
  const done = new Set(rows.map(({ name }) => name));
  const ours = db.migrations.map((migration) => migration.name ?? migration.constructor.name);
  return [ours.filter((name) => !done.has(name)), [...done].filter((name) => !ours.includes(name))];
}

async function withDataSource<T>(options: SchemaOptions, work: (db: DataSource) => Promise<T>): Promise<T> {
  const db = dataSourceOf(options);
  await db.initialize();
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

function dataSourceOf({ url, log, proceed }: SchemaOptions): DataSource {
  try {
    return new MigrationDataSource({
      url,
      applicationName: 'llm-user-management-api migrations',
      log: (line) => log.line(line),
      proceed,
    });
  } catch (error) {
    throw new StartupFailure(`${(error as Error).message}.`, { cause: error });
  }
}
