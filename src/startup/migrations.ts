import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { MigrationDataSource, WAITING_FOR_A_TABLE } from '../database/migration-data-source';
import { waitWithoutEnd } from '../database/session-timeouts';
import { databaseFailure } from './database-failure';
import { StartupFailure } from './startup-failure';
import type { StartupLog } from './startup-log';
import { StartCancelled } from './stop-signals';

/** Held by the one process that migrates. Any number will do, as long as every version of the gateway uses it. */
const MIGRATION_LOCK = '7311823310495028001';

interface SchemaOptions {
  readonly url: string;
  readonly migrate: boolean;
  readonly log: StartupLog;
  /** Called between the tries of a migration that waits for a table; it throws when the start is to be given up. */
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
    if (missing.length > 0)
      await withMigrationLock(options, () => withDataSource(options, (db) => run(db, log)));
    if (unknown.length > 0) {
      log.line(`the database schema is newer than this gateway: it does not know ${unknown.join(', ')}`);
    }
  } catch (error) {
    if (error instanceof StartupFailure || error instanceof StartCancelled) throw error;
    throw databaseFailure(error, url);
  }
}

async function run(db: DataSource, log: StartupLog): Promise<void> {
  // Another process may have run them meanwhile; and those of a try that failed later count, too.
  const [missing] = await pendingAndUnknown(db);
  try {
    await db.runMigrations({ transaction: 'each' });
    if (missing.length > 0) log.line(`ran ${missing.length} database migration(s)`);
  } catch (error) {
    if (error instanceof StartCancelled) throw error;
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
    return new MigrationDataSource(
      { url, applicationName: 'llm-user-management-api migrations' },
      (tries) => {
        if (tries === 1) log.line(WAITING_FOR_A_TABLE);
        proceed?.();
      },
    );
  } catch (error) {
    throw new StartupFailure(`${(error as Error).message}.`, { cause: error });
  }
}

/** The lock belongs to a session of its own, so that it ends with this process, however that ends. */
async function withMigrationLock({ url, log }: SchemaOptions, work: () => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, keepAlive: true });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await waitWithoutEnd(client);
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
