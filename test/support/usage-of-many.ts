import { setTimeout as sleep } from 'node:timers/promises';
import { ReportStatements } from '../../src/database/report-statements';
import { Retention } from '../../src/usage/retention/retention.service';
import type { TestGateway } from './gateway';
import type { Answer, Sent } from './send';

export const SESSIONS = '00000000-0000-0000-0000-000000000000';

export interface UsageRow {
  readonly user_id: string;
  readonly username: string | null;
  readonly key_id?: string | null;
  readonly key_name?: string | null;
  readonly total_tokens: number;
}

/** Of user or key: what breaks ties. */
export const idOf = ({ user_id, key_id }: UsageRow): string => `${user_id}/${key_id ?? SESSIONS}`;

/** Users `low` to `high` have used something on some days, with some of three keys or a session. */
export async function useAsMany(gateway: TestGateway, low: number, high: number): Promise<void> {
  await gateway.dataSource.query(
    `INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
       reasoning_tokens)
     SELECT md5('user' || who)::uuid, date '2026-03-01' + (who * 7 + i * 11) % 80,
       CASE i % 4 WHEN 0 THEN '${SESSIONS}' ELSE md5(who || 'key' || i % 4)::uuid END,
       CASE WHEN who % 50 = 0 AND i = 3 THEN 'rare' ELSE 'model-' || i % 2 END, 1 + i, who, 0, i, 0
     FROM generate_series($1::int, $2::int) AS who, generate_series(1, 1 + who % 6) AS i`,
    [low, high],
  );
}

/** One request in the midst of each of these days. */
export async function recordInTheMidst(gateway: TestGateway): Promise<void> {
  await gateway.dataSource.query(
    `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream, outcome,
       source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
     SELECT overlay(uuid_v7_floor(at)::text PLACING '7' || substr(md5(user_id::text || key_id || model), 1, 3) || '-8'
         || substr(md5(user_id::text || key_id || model), 4, 3) || '-'
         || substr(md5(user_id::text || key_id || model), 7, 12) FROM 15)::uuid,
       at, at, user_id, nullif(key_id, '${SESSIONS}'), 'chat_completions', model, false, 'completed', 'exact', 200,
       prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, 5
     FROM (SELECT *, day + interval '12 hours' AS at FROM usage_daily) d`,
  );
}

export async function retain(gateway: TestGateway): Promise<void> {
  while (!(await gateway.app.get(Retention, { strict: false }).run())) await sleep(10);
}

export function usageOfMany(gateway: TestGateway, request: (path: string, sent?: Sent) => Promise<Answer>) {
  const report = async (query: string) => {
    const answer = await request(`/usage?${query}`);
    expect(answer.status).toBe(200);
    return answer.body as { data: UsageRow[]; totals: { total_tokens: number }; next_cursor: string | null };
  };
  /** All rows, page by page, and how many each page had. */
  const walk = async (query: string) => {
    const [all, lengths]: [UsageRow[], number[]] = [[], []];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await report(query + (cursor && `&cursor=${cursor}`));
      all.push(...page.data);
      lengths.push(page.data.length);
      cursor = page.next_cursor;
    }
    return { all, lengths };
  };
  /** How PostgreSQL does what a report asks of it. */
  const plansOf = async (query: string): Promise<Record<string, number>[]> => {
    const each = jest.spyOn(gateway.app.get(ReportStatements, { strict: false }), 'each');
    const { status } = await request(`/usage?${query}`);
    const statements = [...each.mock.calls];
    each.mockRestore();
    expect(status).toBe(200);
    const plans: Record<string, number>[] = [];
    for (const [text, values] of statements) {
      const [row] = await gateway.dataSource.query<[{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }]>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
        values,
      );
      plans.push(row['QUERY PLAN'][0].Plan);
    }
    return plans;
  };
  /** Pages of the database that a page of the report reads. */
  const readBy = async (query: string): Promise<number> =>
    (await plansOf(query)).reduce(
      (pages, plan) => pages + (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
      0,
    );
  const settle = async () => {
    await retain(gateway);
    for (const table of [
      'usage_daily',
      'usage_totals',
      'usage_days_changed',
      'usage_records',
      'users',
      'api_keys',
    ])
      await gateway.dataSource.query(`VACUUM ANALYZE ${table}`);
  };
  return { report, walk, plansOf, readBy, settle };
}
