import { setTimeout as sleep } from 'node:timers/promises';
import { ReportStatements } from '../src/database/report-statements';
import { Retention } from '../src/usage/retention/retention.service';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway } from './support/gateway';
import { Answer, Sent } from './support/send';

const USERS = 400;
const SESSIONS = '00000000-0000-0000-0000-000000000000';

interface Row {
  user_id: string;
  key_id?: string | null;
  total_tokens: number;
}

// Users 1 to n have used something on some days, with some of three keys or a session; nobody else has.
const DAILY_SUMS = `
  INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
    reasoning_tokens)
  SELECT md5('user' || who)::uuid, date '2026-03-01' + (who * 7 + i * 11) % 80,
    CASE i % 4 WHEN 0 THEN '${SESSIONS}' ELSE md5(who || 'key' || i % 4)::uuid END,
    CASE WHEN who % 50 = 0 AND i = 3 THEN 'rare' ELSE 'model-' || i % 2 END, 1 + i, who, 0, i, 0
  FROM generate_series($1::int, $2::int) AS who, generate_series(1, 1 + who % 6) AS i`;
// One request in the midst of each of these days.
const RECORDS = `
  INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream, outcome,
    source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
  SELECT overlay(uuid_v7_floor(at)::text PLACING '7' || substr(md5(user_id::text || key_id || model), 1, 3) || '-8'
      || substr(md5(user_id::text || key_id || model), 4, 3) || '-' || substr(md5(user_id::text || key_id || model), 7, 12)
      FROM 15)::uuid,
    at, at, user_id, nullif(key_id, '${SESSIONS}'), 'chat_completions', model, false, 'completed', 'exact', 200,
    prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, 5
  FROM (SELECT *, day + interval '12 hours' AS at FROM usage_daily) d`;

describe('reports of all users in the order of their ids', () => {
  let gateway: TestGateway;
  let request: (path: string, sent?: Sent) => Promise<Answer>;

  const retain = async () => {
    while (!(await gateway.app.get(Retention, { strict: false }).run())) await sleep(10);
  };
  const report = async (query: string) => {
    const answer = await request(`/usage?${query}`);
    expect(answer.status).toBe(200);
    return answer.body as { data: Row[]; totals: { total_tokens: number }; next_cursor: string | null };
  };
  const walk = async (query: string) => {
    const [all, lengths]: [Row[], number[]] = [[], []];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await report(query + (cursor && `&cursor=${cursor}`));
      all.push(...page.data);
      lengths.push(page.data.length);
      cursor = page.next_cursor;
    }
    return { all, lengths };
  };
  const idOf = ({ user_id, key_id }: Row) => `${user_id}/${key_id ?? SESSIONS}`;

  beforeAll(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    await gateway.dataSource.query(DAILY_SUMS, [1, USERS]);
    await gateway.dataSource.query(RECORDS);
    await retain();
  });
  afterAll(() => gateway.close());

  const RANGES = [
    'from=2026-03-01&to=2026-05-31',
    'from=2026-04-01&to=2026-04-01',
    'from=2026-03-10T13:00:00Z&to=2026-04-20T11:00:00Z',
    'from=2026-03-10T11:00:00Z&to=2026-03-10T13:00:00Z',
    'from=2026-03-10T13:00:00Z&to=2026-03-11T11:00:00Z',
  ];
  const FILTERS = [
    '',
    '&model=model-1',
    '&model=rare',
    `&key_id=${SESSIONS}`,
    `&key_id=${SESSIONS}&model=rare`,
  ];

  it.each(['user', 'key'].flatMap((group) => RANGES.map((range) => [group, range])))(
    'are what the other orders are, by %s: %s',
    async (group, range) => {
      for (const filter of FILTERS) {
        const query = `${range}${filter}&group_by=${group}`;
        const known = (await walk(`${query}&limit=100&sort=-tokens`)).all;
        known.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
        for (const limit of filter ? [7, 100] : [1, 7, 100]) {
          if (limit === 1 && known.length > 200) continue;
          const { all, lengths } = await walk(`${query}&limit=${limit}`);
          expect([query, all]).toEqual([query, known]);
          // Of whole days and without a filter every page is full.
          if (!filter && !range.includes('T'))
            expect([query, lengths.filter((length) => length < limit).length < 2]).toEqual([query, true]);
        }
        expect((await walk(`${query}&limit=30&sort=-id`)).all).toEqual(known.toReversed());
        const csv = await request(`/usage?${query}&format=csv`);
        expect(csv.text.split('\r\n').map((line) => line.slice(0, 36))).toEqual(
          ['', ...known, ''].map((row, index) =>
            typeof row === 'string'
              ? index === 0
                ? csv.text.slice(0, 36).split('\r\n')[0]
                : ''
              : row.user_id,
          ),
        );
      }
    },
  );

  it('have the totals of all pages, whatever the page', async () => {
    for (const filter of FILTERS) {
      const query = `${RANGES[0]}${filter}`;
      const { totals } = await report(`${query}&sort=-tokens`);
      for (const group of ['user', 'key', 'model', 'day'])
        expect((await report(`${query}&group_by=${group}&limit=2`)).totals).toEqual(totals);
    }
  });

  it('read no more of the database when there are fifty times as many users', async () => {
    const statements = gateway.app.get(ReportStatements, { strict: false });
    const run = jest.spyOn(statements, 'run');
    const year = 'from=2025-12-01&to=2026-11-30';
    const queries = [RANGES[0], RANGES[1], year].flatMap((range) =>
      ['', '&group_by=key', '&group_by=model', '&group_by=day', '&model=rare'].map(
        (more) => `${range}${more}`,
      ),
    );
    /** Pages of the database that a page of the report reads. */
    const readBy = async (query: string): Promise<number> => {
      run.mockClear();
      await report(query);
      const [text, values] = run.mock.calls[0] ?? ['', []];
      const [row] = await gateway.dataSource.query<[{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }]>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
        values as unknown[],
      );
      const { Plan: plan } = row['QUERY PLAN'][0];
      return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
    };
    const settle = async () => {
      await retain();
      for (const table of ['usage_daily', 'usage_totals', 'usage_days_changed', 'usage_records'])
        await gateway.dataSource.query(`VACUUM ANALYZE ${table}`);
    };
    await settle();
    const before: number[] = [];
    for (const query of queries) before.push(await readBy(query));
    await gateway.dataSource.query(DAILY_SUMS, [USERS + 1, 50 * USERS]);
    await settle();
    for (const [index, query] of queries.entries()) {
      const [small, large] = [before[index] ?? 0, await readBy(query)];
      // What is rare is looked for among 2,000 users at most, a few pages of the database each.
      const most = 2 * small + (query.includes('rare') ? 10_000 : 500);
      expect({ query, small, large, isFlat: large < most }).toMatchObject({ query, isFlat: true });
    }
  });
});
