import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { loadEnv } from '../src/config/load-env';
import { dataSourceOptions } from '../src/database/data-source-options';
import { MigrationDataSource } from '../src/database/migration-data-source';
import { bringSchemaUpToDate } from '../src/startup/migrations';
import { StartupLog } from '../src/startup/startup-log';
import { StartCancelled } from '../src/startup/stop-signals';
import { onServer, urlOf } from './support/postgres';

/** So many are there when the test begins: they have made the tables that later ones change. */
const EARLY_MIGRATIONS = 8;

/** A role's own timeouts are those of its requests, as docs/operations.md has it; far shorter here. */
const ROLE_TIMEOUTS = ['statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout'];

let database = '';
let url = '';
let role = '';
let dump: Client;
const written: string[] = [];
const log = new StartupLog(loadEnv({}));

beforeEach(async () => {
  const name = randomBytes(6).toString('hex');
  [database, role] = [`test_${name}`, `role_${name}`];
  await onServer(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD 'x'`);
  await onServer(`CREATE DATABASE ${database} OWNER ${role}`);
  const ofRole = new URL(urlOf(database));
  [ofRole.username, ofRole.password] = [role, 'x'];
  url = ofRole.href;
  dump = new Client({ connectionString: urlOf(database) });
  await dump.connect();
  written.length = 0;
  const heard = (text: unknown) => written.push(String(text)) > 0;
  jest.spyOn(process.stdout, 'write').mockImplementation(heard);
  // As Jest has it, what TypeORM prints does not go there.
  jest.spyOn(console, 'log').mockImplementation(heard);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await dump.end();
  await onServer(`DROP DATABASE ${database} WITH (FORCE)`);
  await onServer(`DROP ROLE ${role}`);
});

/** Tables of the first migrations, and a session that reads them all for long, as pg_dump does. */
async function dumpOldTables(): Promise<void> {
  const dataSource = new DataSource(dataSourceOptions({ url, poolSize: 1 }));
  await dataSource.initialize();
  dataSource.migrations.splice(EARLY_MIGRATIONS);
  await dataSource.runMigrations();
  await dataSource.destroy();
  await dump.query('BEGIN');
  await dump.query('LOCK TABLE users, api_keys, usage_records, open_requests IN ACCESS SHARE MODE');
}

/** Resolves once a statement of somebody else waits for a lock. */
async function untilSomebodyWaits(): Promise<void> {
  const waiting = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const client = new Client({ connectionString: urlOf(database) });
  await client.connect();
  while ((await client.query(waiting)).rowCount === 0) await sleep(20);
  await client.end();
}

async function migrationsDone(): Promise<number> {
  const { rows } = await dump.query<{ done: number }>('SELECT count(*)::int AS done FROM migrations');
  return rows[0]?.done ?? 0;
}

/** As the command of TypeORM does it, which reads the environment when the file is loaded. */
async function runCommand(): Promise<void> {
  const before = process.env.DATABASE_URL;
  process.env.DATABASE_URL = url;
  const { default: dataSource } = jest.requireActual<{ default: DataSource }>('../ormconfig');
  if (before === undefined) delete process.env.DATABASE_URL;
  else process.env.DATABASE_URL = before;
  await dataSource.initialize();
  await dataSource.runMigrations({ transaction: 'each' });
  await dataSource.destroy();
}

const start = (proceed?: () => void) => bringSchemaUpToDate({ url, migrate: true, log, proceed });
const linesOfWaiting = () => written.filter((line) => line.includes('waiting for other sessions to let go'));

describe('a migration of a table that somebody reads for long', () => {
  it.each([
    ['a start', () => start()],
    ['npm run migration:run', runCommand],
  ])('holds up requests for two seconds at most, and ends when it may: %s', async (_way, migrate) => {
    await dumpOldTables();
    const migrating = migrate();
    await untilSomebodyWaits();
    const request = new Client({ connectionString: urlOf(database) });
    await request.connect();
    for (const table of ['users', 'api_keys', 'usage_records']) await request.query(`SELECT FROM ${table}`);
    await request.end();
    while (linesOfWaiting().length === 0) await sleep(20);
    await dump.query('COMMIT');
    await migrating;
    expect(await migrationsDone()).toBeGreaterThan(EARLY_MIGRATIONS + 20);
  });

  it('is told once, however often it is tried, and given up with the start', async () => {
    await dumpOldTables();
    let tries = 0;
    const given = start(() => {
      tries += 1;
      if (tries === 2) throw new StartCancelled();
    });
    await expect(given).rejects.toThrow(StartCancelled);
    expect(written).toEqual(linesOfWaiting());
    expect(written).toHaveLength(1);
  });
});

describe('a start while another process migrates', () => {
  const untilToldOfTheOther = async () => {
    while (!written.join('').includes('waiting for another process that migrates the database'))
      await sleep(20);
  };

  it('waits for it longer than its role may wait in a request', async () => {
    for (const name of ROLE_TIMEOUTS) await onServer(`ALTER ROLE ${role} SET ${name} = '1500ms'`);
    await onServer(`ALTER ROLE ${role} SET lock_timeout = '1500ms'`);
    // The lock of migration-lock.ts.
    await dump.query('SELECT pg_advisory_lock(7311823310495028001)');
    const starting = start();
    await untilToldOfTheOther();
    await sleep(2_500);
    await dump.query('SELECT pg_advisory_unlock_all()');
    await starting;
    expect(await migrationsDone()).toBeGreaterThan(EARLY_MIGRATIONS);
  });

  it('keeps nothing from being cleared away meanwhile, and is given up with the start', async () => {
    await dump.query('SELECT pg_advisory_lock(7311823310495028001)');
    let isStopped = false;
    const given = start(() => {
      if (isStopped) throw new StartCancelled();
    });
    await untilToldOfTheOther();
    await sleep(200);
    const { rows } = await dump.query<{ oldest: string | null }>(
      `SELECT max(age(backend_xmin)) AS oldest FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
    );
    isStopped = true;
    await expect(given).rejects.toThrow(StartCancelled);
    expect(rows).toEqual([{ oldest: null }]);
    expect(written.filter((line) => line.includes('waiting for another process'))).toHaveLength(1);
  });
});

describe('migration commands and a start that begin at once', () => {
  const command = async (work: (dataSource: DataSource) => Promise<unknown>) => {
    const dataSource = new MigrationDataSource({ url, log: (line) => written.push(line) });
    await dataSource.initialize();
    try {
      await work(dataSource);
    } finally {
      await dataSource.destroy();
    }
  };

  it('take turns at an empty database, and at taking migrations back', async () => {
    const run = () => command((dataSource) => dataSource.runMigrations());
    await Promise.all([run(), run(), run(), start()]);
    const all = await migrationsDone();
    expect(all).toBeGreaterThan(EARLY_MIGRATIONS);
    expect(written.filter((line) => line.includes('waiting for another process'))).not.toEqual([]);
    const revert = () => command((dataSource) => dataSource.undoLastMigration());
    await Promise.all([revert(), revert(), revert()]);
    expect(await migrationsDone()).toBe(all - 3);
  });
});
