import { join, resolve } from 'node:path';
import { Client } from 'pg';
import type { Env } from '../config/env';
import { loadDotEnv, loadEnv } from '../config/load-env';
import { joinRunningPostgres } from '../embedded-postgres/join-running';
import { databaseFailure } from '../startup/database-failure';
import { onlyWords } from '../startup/only-words';
import { codeOf, isExplained, StartupFailure } from '../startup/startup-failure';
import { differenceLine } from '../usage/ledger-check/ledger-difference';
import { ledgerDifferences, LedgerReport } from '../usage/ledger-check/ledger-differences';
import { ZONE_SETTING } from '../usage/limits/limits-time-zone.service';

const PURPOSE =
  'npm run ledger:check is all there is to say: it compares every counter with the ledger, and changes nothing.';

const SAME = 0;
const DIFFERENT = 1;
const CANNOT_RUN = 2;

/** npm run ledger:check: says where counters and ledger disagree. Exit code 0: nowhere, 1: somewhere, 2: it cannot run. */
async function main(): Promise<number> {
  try {
    onlyWords([], PURPOSE);
    loadDotEnv();
    const env = loadEnv();
    const { url, leave } = await findDatabase(env);
    try {
      const report = await check(url, env.LIMITS_TIME_ZONE);
      for (const line of [...report.differences.map(differenceLine), ...report.unfinished])
        process.stdout.write(`${line}\n`);
      process.stdout.write(
        `${report.differences.length} differences in ${report.counters} counters, ${report.dailyRows} daily rows, ` +
          `${report.records} records, ${report.openRequests} open requests\n`,
      );
      return report.differences.length === 0 ? SAME : DIFFERENT;
    } finally {
      await leave();
    }
  } catch (error) {
    process.stderr.write(`${isExplained(error) ? error.message : (error as Error).stack}\n`);
    return CANNOT_RUN;
  }
}

async function findDatabase(env: Env): Promise<{ url: string; leave: () => Promise<void> }> {
  if (env.DATABASE_URL) return { url: env.DATABASE_URL, leave: () => Promise.resolve() };
  const directory = resolve(env.DATA_DIR);
  const embedded = await joinRunningPostgres(join(directory, 'postgres')).catch((error: Error) => {
    throw new StartupFailure(`The embedded PostgreSQL cannot be used: ${error.message}`, { cause: error });
  });
  if (embedded) return { url: embedded.url, leave: () => embedded.stop() };
  throw new StartupFailure(
    `There is nothing to check: DATABASE_URL is not set, and no embedded database runs in DATA_DIR (${directory}).`,
  );
}

async function check(url: string, zone: string): Promise<LedgerReport> {
  const client = new Client({
    connectionString: url,
    application_name: 'llm-user-management-api ledger:check',
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await refuseAnotherZone(client, zone);
    return await ledgerDifferences(client, zone);
  } catch (error) {
    if (error instanceof StartupFailure) throw error;
    if (codeOf(error) !== '42P01') throw databaseFailure(error, url);
    throw new StartupFailure('The database has no up-to-date schema: run npm run migration:run first.');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** In another zone than the one it is counted in, a ledger without a fault would differ from day to day. */
async function refuseAnotherZone(client: Client, zone: string): Promise<void> {
  const { rows } = await client.query<{ value: string }>('SELECT value FROM settings WHERE name = $1', [
    ZONE_SETTING,
  ]);
  const counted = rows[0]?.value ?? zone;
  if (counted === zone) return;
  throw new StartupFailure(
    `LIMITS_TIME_ZONE is ${zone}, but the ledger is counted in ${counted}: set it to ${counted}, as the gateways have it.`,
  );
}

void main().then((code) => (process.exitCode = code));
