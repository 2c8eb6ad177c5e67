import type { ClientBase } from 'pg';
import { firstWholeDay } from '../retention/first-whole-day';
import { counterDifferences } from './counter-differences';
import { dailyDifferences } from './daily-differences';
import { leadersDifferences } from './leaders-differences';
import type { LedgerDifference } from './ledger-difference';
import { totalsDifferences } from './totals-differences';
import { unfinishedCounters } from './unfinished-counters';

export interface LedgerReport {
  readonly differences: readonly LedgerDifference[];
  /** What cannot be compared yet, as lines for people. */
  readonly unfinished: readonly string[];
  /** How much was compared. */
  readonly counters: number;
  readonly dailyRows: number;
  readonly records: number;
  readonly openRequests: number;
}

type Extent = Omit<LedgerReport, 'differences' | 'unfinished'>;

/**
 * Recomputes every counter, reservation and daily rollup from the ledger, and the totals of closed days and the leaders of
 * months and years from the rollups. Everything is read in one snapshot, so the answer is exact while requests come and go.
 * @param client a session of its own, in no transaction
 * @param zone LIMITS_TIME_ZONE
 */
export async function ledgerDifferences(client: ClientBase, zone: string): Promise<LedgerReport> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    // A large ledger takes its time, and is worth some memory.
    await client.query(`SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'`);
    // Before the snapshot: a month that is dropped after it would be missing in the ledger alone.
    await client.query('LOCK TABLE usage_records IN ACCESS SHARE MODE');
    const wholeFrom = await firstWholeDay(client, zone);
    return {
      differences: [
        ...(await counterDifferences(client, zone, wholeFrom)),
        ...(await dailyDifferences(client, zone, wholeFrom)),
        ...(await totalsDifferences(client)),
        ...(await leadersDifferences(client)),
        ...(await settledButOpen(client)),
      ],
      unfinished: await unfinishedCounters(client),
      ...(await extent(client)),
    };
  } finally {
    await client.query('ROLLBACK');
  }
}

async function settledButOpen(client: ClientBase): Promise<LedgerDifference[]> {
  const { rows } = await client.query<{ request_id: string }>(
    `SELECT request_id FROM open_requests JOIN usage_records USING (request_id) ORDER BY 1`,
  );
  return rows.map(({ request_id: id }) => ({
    subject: `request ${id}`,
    metric: 'its state',
    window: 'now',
    counted: 'open',
    ledger: 'settled',
  }));
}

async function extent(client: ClientBase): Promise<Extent> {
  const { rows } = await client.query<Record<keyof Extent, string>>(
    `SELECT (SELECT count(*) FROM limit_windows) AS counters, (SELECT count(*) FROM usage_daily) AS "dailyRows",
       (SELECT count(*) FROM usage_records) AS records, (SELECT count(*) FROM open_requests) AS "openRequests"`,
  );
  return {
    counters: Number(rows[0]?.counters),
    dailyRows: Number(rows[0]?.dailyRows),
    records: Number(rows[0]?.records),
    openRequests: Number(rows[0]?.openRequests),
  };
}
