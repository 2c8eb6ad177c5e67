import { setTimeout as sleep } from 'node:timers/promises';
import { ReportStatements } from '../../src/database/report-statements';
import { Retention } from '../../src/usage/retention/retention.service';
import { UsageLeaders } from '../../src/usage/totals/usage-leaders';
import { asAdmin } from './administration';
import { startGateway } from './gateway';
import { ledgerLines } from './ledger-report';
import type { TestDatabase } from './postgres';
import { SESSIONS, usageOfMany } from './usage-of-many';

export const TODAY = '2026-03-20';
/** In Kolkata. */
const NOON = new Date(`${TODAY}T06:30:00Z`);
/** So many leaders are kept. */
const KEPT = 20;

export const MONTH = 'from=2026-03-01&to=2026-03-31';
export const YEAR = 'from=2026-01-01&to=2026-12-31';
export const FEBRUARY = 'from=2026-02-01&to=2026-02-28';
export const LAST_YEAR = 'from=2025-01-01&to=2025-12-31';

interface ListRow {
  kind: string;
  first_day: string;
  end_day: string;
  until: string;
}
const LISTS = `SELECT kind, first_day::text, end_day::text, until::text FROM usage_leader_lists`;
const OF_CALENDAR = `extract(day FROM first_day) = 1 AND extract(day FROM end_day) = 1`;
const IN_ORDER = `ORDER BY 1, 2, 3`;

/** A gateway that keeps few leaders, and thinks that it is today when it closes days. */
export async function startWithLeaders(database: TestDatabase, zone = 'Asia/Kolkata') {
  const gateway = await startGateway({
    settings: { LIMITS_TIME_ZONE: zone, DATABASE_URL: database.url, USAGE_RETENTION_MONTHS: '0' },
  });
  const leaders = gateway.app.get(UsageLeaders, { strict: false });
  leaders.most = KEPT;
  const request = asAdmin(gateway, await gateway.registerAdmin());
  const { report, walk } = usageOfMany(gateway, request);
  const sql = <Row>(statement: string, values: unknown[] = []): Promise<Row[]> =>
    gateway.dataSource.query<Row[]>(statement, values);
  /** Waits for its turn: the start of the gateway may be at it still. */
  const retain = async (at = NOON) => {
    while (!(await gateway.app.get(Retention, { strict: false }).run(at))) await sleep(10);
  };
  await retain();
  return {
    gateway,
    leaders,
    request,
    report,
    walk,
    sql,
    retain,
    use: (who: string, day: string, tokens: number, key = SESSIONS) =>
      sql(
        `INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
           reasoning_tokens)
         VALUES (md5($1)::uuid, $2, $3, 'large', 1, $4, 0, 0, 0)
         ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET
           prompt_tokens = usage_daily.prompt_tokens + excluded.prompt_tokens`,
        [who, day, key, tokens],
      ),
    idOf: async (who: string) =>
      (await sql<{ id: string }>('SELECT md5($1)::uuid AS id', [who]))[0]?.id ?? '',
    /** Those of calendar months and years. */
    lists: () => sql<ListRow>(`${LISTS} WHERE ${OF_CALENDAR} ${IN_ORDER}`),
    lastDays: () => sql<ListRow>(`${LISTS} WHERE NOT (${OF_CALENDAR}) ${IN_ORDER}`),
    changed: async () =>
      (await sql<{ n: number }>('SELECT count(*)::int AS n FROM usage_days_changed'))[0]?.n,
    /** What ledger:check finds in the lists; there are daily sums without records here. */
    differences: async () => (await ledgerLines(gateway)).filter((line) => line.includes('in the order of')),
    first: async (query: string) => (await report(`${query}&sort=-tokens&limit=5`)).data,
    /** Whether the first page was read from leaders; else all were added up for it. */
    isLed: async (query: string) => {
      const run = jest.spyOn(gateway.app.get(ReportStatements, { strict: false }), 'each');
      await report(`${query}&sort=-tokens&limit=5`);
      const isLed = run.mock.calls.at(-1)?.[0].includes('usage_leaders');
      run.mockRestore();
      return isLed;
    },
    /** All pages are what they are when there are no lists. */
    expectTheSameWithout: async (queries: string[], limit = 7) => {
      const pages = () =>
        Promise.all(queries.map(async (query) => (await walk(`${query}&sort=-tokens&limit=${limit}`)).all));
      const known = await pages();
      await sql('DELETE FROM usage_leader_lists');
      expect(known).toEqual(await pages());
    },
  };
}
