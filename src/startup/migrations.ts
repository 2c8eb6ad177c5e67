import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { migrationOptions } from '../database/data-source-options';
import { databaseFailure } from './database-failure';
import { StartupFailure } from './startup-failure';
import type { StartupLog } from './startup-log';

/** Held by the one process that migrates. Any number will do, as long as every version of the gateway uses it. */
const MIGRATION_LOCK = '7311823310495028001';

/** Runs the missing migrations, or with `migrate` false only makes sure that there are none. */
export async function bringSchemaUpToDate(settings: {
  url: string;
  migrate: boolean;
  log: StartupLog;
}): Promise<void> {
  const { url, migrate, log } = settings;
  try {
    const [missing, unknown] = await withDataSource(url, pendingAndUnknown);
    if (missing.length > 0 && !migrate) {
      throw new StartupFailure(
        `The database schema is behind by ${missing.length} migration(s): run npm run migration:run, ` +
          'or set MIGRATE_ON_START=true.',
      );
    }
    if (missing.length > 0)
      await withMigrationLock(url, log, () => withDataSource(url, (db) => run(db, log)));
    if (unknown.length > 0) {
      log.line(`the database schema is newer than this gateway: it does not know ${unknown.join(', ')}`);
    }
  } catch (error) {
    throw error instanceof StartupFailure ? error : databaseFailure(error, url);
  }
}

async function run(db: DataSource, log: StartupLog): Promise<void> {
  try {
    const done = await db.runMigrations({ transaction: 'each' });
    if (done.length > 0) log.line(`ran ${done.length} database migration(s)`);
  } catch (error) {
    throw new StartupFailure(`A database migration failed: ${(error as Error).message}.`, { cause: error });
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

async function withDataSource<T>(url: string, work: (db: DataSource) => Promise<T>): Promise<T> {
  const db = new DataSource(optionsFor(url));
  await db.initialize();
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

function optionsFor(url: string) {
  try {
    return migrationOptions({ url, applicationName: 'llm-user-management-api migrations' });
  } catch (error) {
    throw new StartupFailure(`${(error as Error).message}.`, { cause: error });
  }
}

/** The lock belongs to a session of its own, so that it ends with this process, however that ends. */
async function withMigrationLock(url: string, log: StartupLog, work: () => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, keepAlive: true });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
      MIGRATION_LOCK,
    ]);
    if (!rows[0]?.free) {
      log.line('waiting for another process that migrates the database');
      await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    }
    await work();
  } finally {
    await client.end().catch(() => undefined);
  }
}
