import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Env } from '../config/env';
import { DatabaseSettings, SETTINGS, unfitSetting } from '../database/unfit-settings';
import { EmbeddedPostgres, startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres';
import { connectionsNeeded } from './connections-needed';
import type { DataDirectory } from './data-directory';
import { databaseFailure, databaseLabel, namedFile } from './database-failure';
import { codeOf, StartupFailure } from './startup-failure';
import type { StartupLog } from './startup-log';

const OLDEST_POSTGRESQL = 15;
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that is just starting, as beside a gateway in compose, gets this long. */
const PATIENCE_MS = 5_000;
const RETRY_MS = 250;
/** Room in the embedded database for more than the pools: other gateways of this folder, psql, our own sessions. */
const LEAST_CONNECTIONS = 200;
const CONNECTIONS_BESIDE_POOLS = 100;

/** A database that answers. `embeddedIn` is where our own is, which stops with the last process that uses it; or null. */
export interface ProvidedDatabase {
  readonly url: string;
  readonly embeddedIn: string | null;
  /** How many it allows. */
  readonly connections: number;
  /** What is off there and would keep what was committed through a crash; null: nothing. */
  readonly unsafe: string | null;
  stop(): Promise<void>;
}

/** The server of DATABASE_URL, or the embedded one in DATA_DIR. */
export async function provideDatabase(
  env: Env,
  directory: DataDirectory,
  log: StartupLog,
): Promise<ProvidedDatabase> {
  if (env.DATABASE_URL) {
    const { connections, unsafe } = await checkDatabase(env.DATABASE_URL);
    return { url: env.DATABASE_URL, embeddedIn: null, connections, unsafe, stop: () => Promise.resolve() };
  }
  const dataDir = join(await directory.ensure(), 'postgres');
  log.line(`starting the embedded PostgreSQL in ${dataDir} (DATABASE_URL is not set)`);
  const {
    url,
    directory: embeddedIn,
    stop,
  } = await joinEmbeddedDatabase(env, log.line).catch((error: unknown) => {
    throw new StartupFailure(
      `The embedded PostgreSQL in ${dataDir} did not start: ${(error as Error).message.trim()}`,
      { cause: error },
    );
  });
  env.DATABASE_URL = url;
  try {
    // Whoever started it may have needed less than we do.
    const { connections, unsafe } = await checkDatabase(url);
    return { url, embeddedIn, connections, unsafe, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Takes a place among the users of the embedded database, which stops with the last of them. */
export async function joinEmbeddedDatabase(
  env: Env,
  log?: (line: string) => void,
): Promise<EmbeddedPostgres> {
  const wanted = connectionsNeeded(env) + CONNECTIONS_BESIDE_POOLS;
  const dataDir = join(resolve(env.DATA_DIR), 'postgres');
  const database = await startEmbeddedPostgres({
    dataDir,
    log,
    // Nobody waits for it: it ends the process as any failure does that nobody caught.
    onMoved: (sentence) =>
      setImmediate(() => {
        throw new StartupFailure(sentence);
      }),
    settings: { max_connections: String(Math.max(wanted, LEAST_CONNECTIONS)) },
  });
  const stop = async (): Promise<void> => {
    try {
      await database.stop();
    } catch (error) {
      const why = (error as Error).message.trim().replace(/\s+/g, ' ').replace(/\.$/, '');
      throw new StartupFailure(`The embedded PostgreSQL in ${dataDir} could not be stopped: ${why}.`, {
        cause: error,
      });
    }
  };
  return { ...database, stop };
}

/** How many connections this user may have: the server keeps some for others, and a role or a database may have fewer. */
const CONNECTIONS = `
  SELECT least(
    current_setting('max_connections')::integer - CASE WHEN r.rolsuper THEN 0
      ELSE current_setting('superuser_reserved_connections')::integer
        + coalesce(current_setting('reserved_connections', true)::integer, 0) END,
    nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1))
  FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`;

/** What keeps what was committed through a crash; the names of those that are off. */
const UNSAFE = `
  SELECT string_agg(name, ' and ' ORDER BY name) FROM pg_settings
  WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'`;

interface CheckedDatabase {
  /** How many it allows. */
  readonly connections: number;
  /** Null: nothing. */
  readonly unsafe: string | null;
}

/** @throws StartupFailure unless a PostgreSQL answers that is new enough, and set up as the gateway needs it. */
async function checkDatabase(url: string): Promise<CheckedDatabase> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await checkOnce(url);
    } catch (error) {
      if (error instanceof StartupFailure) throw error;
      const mayBeStarting =
        namedFile(error) === null && ['ECONNREFUSED', 'ENOENT', '57P03'].includes(codeOf(error));
      if (!mayBeStarting || performance.now() > deadline) throw databaseFailure(error, url);
      await sleep(RETRY_MS);
    }
  }
}

async function checkOnce(url: string): Promise<CheckedDatabase> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<
      DatabaseSettings & { version: string; connections: string; unsafe: string | null }
    >(
      `SELECT current_setting('server_version_num') AS version, (${CONNECTIONS}) AS connections,
         (${UNSAFE}) AS unsafe, ${SETTINGS}`,
    );
    const [{ version, connections, unsafe, ...settings }] = rows as [(typeof rows)[number]];
    const major = Math.floor(Number(version) / 10_000);
    if (major < OLDEST_POSTGRESQL) {
      throw new StartupFailure(
        `DATABASE_URL: ${databaseLabel(url)} is PostgreSQL ${major}; ${OLDEST_POSTGRESQL} or newer is needed.`,
      );
    }
    const unfit = unfitSetting(settings);
    if (unfit) throw new StartupFailure(`DATABASE_URL: ${databaseLabel(url)} ${unfit}.`);
    return { connections: Number(connections), unsafe };
  } finally {
    await client.end().catch(() => undefined);
  }
}
