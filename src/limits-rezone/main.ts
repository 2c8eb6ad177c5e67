import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import type { Env } from '../config/env';
import { loadDotEnv, loadEnv } from '../config/load-env';
import { startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres';
import { databaseFailure } from '../startup/database-failure';
import { onlyWords } from '../startup/only-words';
import { codeOf, isExplained, StartupFailure } from '../startup/startup-failure';
import { rezone, RezoneRefused } from '../usage/rezone/rezone';

const PURPOSE =
  'npm run limits:rezone is all there is to say: it counts everything anew in the time zone that LIMITS_TIME_ZONE names, ' +
  'while all gateways are stopped.';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** npm run limits:rezone: counts everything in the time zone that LIMITS_TIME_ZONE names now. */
async function main(): Promise<number> {
  try {
    onlyWords([], PURPOSE);
    loadDotEnv();
    const env = loadEnv();
    const database = await provide(env);
    try {
      const zone = env.LIMITS_TIME_ZONE;
      const before = await inDatabase(database.url, (client) => rezone(client, zone, say));
      say(
        before === null || before === zone
          ? `it is counted in ${zone} already`
          : `counted in ${zone}, no longer in ${before}`,
      );
      return 0;
    } finally {
      await database.stop();
    }
  } catch (error) {
    const explained = isExplained(error) || error instanceof RezoneRefused;
    process.stderr.write(`${explained ? (error as Error).message : (error as Error).stack}\n`);
    return 1;
  }
}

/** The server of DATABASE_URL; or the embedded one, which does not run while all gateways are stopped. */
async function provide(env: Env): Promise<{ url: string; stop: () => Promise<void> }> {
  if (env.DATABASE_URL) return { url: env.DATABASE_URL, stop: () => Promise.resolve() };
  const dataDir = join(resolve(env.DATA_DIR), 'postgres');
  if (existsSync(dataDir) || existsSync(`${dataDir}.location`)) {
    return startEmbeddedPostgres({ dataDir, log: say }).catch((error: Error) => {
      throw new StartupFailure(`The embedded PostgreSQL did not start: ${error.message}`, { cause: error });
    });
  }
  throw new StartupFailure(
    `There is nothing to count: DATABASE_URL is not set, and there is no database in ${dataDir}.`,
  );
}

async function inDatabase<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'llm-user-management-api limits:rezone',
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    if (error instanceof RezoneRefused) throw error;
    if (codeOf(error) !== '42P01') throw databaseFailure(error, url);
    throw new StartupFailure('The database has no up-to-date schema: run npm run migration:run first.');
  } finally {
    await client.end().catch(() => undefined);
  }
}

void main().then((code) => (process.exitCode = code));
