import { startGateway, TestGateway } from './support/gateway';

/** So many that PostgreSQL would go by the index, row by row, were it not told otherwise. */
const DAYS = 200;
const USERS_A_DAY = 500;
const FIRST = '2025-10-01';
const DAY = '2026-02-10';
const SESSIONS = '00000000-0000-0000-0000-000000000000';

/** Users in no order, as they come; one in ten without a key, one in ten by two models. */
const FILL = `
  INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
    reasoning_tokens)
  SELECT md5('user' || u)::uuid, $1::date + d, CASE WHEN u % 10 = 0 THEN '${SESSIONS}' ELSE md5('key' || u)::uuid END,
    model, 1 + u % 3, 1000 + u + d, u % 7, 100 + d, u % 5
  FROM generate_series(0, ${DAYS - 1}) AS d, generate_series(1, ${USERS_A_DAY}) AS u,
    unnest(CASE WHEN u % 10 = 1 THEN ARRAY['large', 'small'] ELSE ARRAY['large'] END) AS model
  ORDER BY d, md5(u::text || d)`;
const COUNTS = 'prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, requests';
const SUMS = COUNTS.split(', ')
  .map((column) => `sum(${column})::bigint AS ${column}`)
  .join(', ');

/** Of whole days, of everybody. */
describe('what reports read of usage_daily', () => {
  let gateway: TestGateway;
  const sql = <Row = Record<string, unknown>>(statement: string, values: unknown[] = []): Promise<Row[]> =>
    gateway.dataSource.query<Row[]>(statement, values);

  beforeAll(async () => {
    gateway = await startGateway();
    await sql(FILL, [FIRST]);
    await sql('ANALYZE usage_daily');
  });
  afterAll(() => gateway.close());

  it.each([
    ['everybody', null, null],
    ['a model', null, 'small'],
    ['what was used with sessions', SESSIONS, null],
    ['sessions and a model', SESSIONS, 'large'],
  ])('adds up a day by model: %s', async (_, key, model) => {
    const read = await sql(`SELECT model, ${COUNTS} FROM usage_of_day($1, $2, $3) ORDER BY model`, [
      DAY,
      key,
      model,
    ]);
    const expected = await sql(
      `SELECT model, ${SUMS} FROM usage_daily WHERE day = $1 AND ($2::uuid IS NULL OR key_id = $2)
         AND ($3::text IS NULL OR model = $3) GROUP BY model ORDER BY model`,
      [DAY, key, model],
    );
    expect(expected.length).toBeGreaterThan(0);
    expect(read).toEqual(expected);
  });

  it.each([
    ['tokens_by_user', 'user_id'],
    ['tokens_by_key', 'user_id, key_id'],
  ])('adds up the tokens of some days: %s', async (name, ids) => {
    const range = [DAY, '2026-02-13'];
    const read = await sql(`SELECT ${ids}, tokens FROM ${name}($1, $2) ORDER BY ${ids}`, range);
    const expected = await sql(
      `SELECT ${ids}, sum(prompt_tokens + completion_tokens)::bigint AS tokens FROM usage_daily
       WHERE day >= $1 AND day < $2 GROUP BY ${ids} ORDER BY ${ids}`,
      range,
    );
    expect(expected).toHaveLength(USERS_A_DAY);
    expect(read).toEqual(expected);
  });

  // By rows, each of them is fetched for itself: more pages than users.
  it.each([
    `usage_of_day('${DAY}', NULL, NULL)`,
    `tokens_by_user('${DAY}', '2026-02-11')`,
    `tokens_by_key('${DAY}', '2026-02-11')`,
  ])('fetches each page of the table once: %s', async (rows) => {
    const explained = await sql<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ${rows}`,
    );
    const { Plan: plan } = explained[0]!['QUERY PLAN'][0];
    const pages = plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
    expect(plan['Actual Rows']).toBeGreaterThan(0);
    expect(pages).toBeLessThan(USERS_A_DAY / 2);
  });
});
