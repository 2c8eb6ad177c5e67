import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { Answer, Sent } from './support/send';

interface RecordOfUser {
  request_id: string;
  user_id: string;
  model: string;
}

const SESSIONS = '00000000-0000-0000-0000-000000000000';
const NOBODY = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);

describe('GET /admin/usage/records', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let ada: TestUser;
  let bob: TestUser;
  let adasKey: string;
  let newestFirst: string[];
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const ask = (query = '', sent?: Sent) => request(`/usage/records${query}`, sent);
  const records = (answer: Answer) => answer.body.data as RecordOfUser[];
  const ids = (answer: Answer) => records(answer).map(({ request_id }) => request_id);
  const walk = async (query: string): Promise<string[]> => {
    const walked: string[] = [];
    let cursor: unknown = '';
    while (cursor !== null) {
      const page: Answer = await ask(`?${query}${cursor && `&cursor=${String(cursor)}`}`);
      expect(page.status).toBe(200);
      walked.push(...ids(page));
      cursor = page.body.next_cursor;
    }
    return walked;
  };

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
    ada = await gateway.register('ada');
    bob = await gateway.register('@bob');
    [{ id: adasKey }] = await gateway.dataSource.query<[{ id: string }]>(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [ada.id],
    );
    newestFirst = [];
    for (let n = 0; n < 12; n += 1) {
      const by = n % 3 === 0 ? { userId: bob.id, model: 'a%b_c' } : { userId: ada.id, keyId: adasKey };
      newestFirst.push(
        await recordGeneration(gateway, { ...by, at: minutesAgo(n), prompt: 10, completion: n }),
      );
    }
    await gateway.dataSource.query(
      `UPDATE usage_records SET outcome = 'client_closed', status = 499 WHERE request_id = ANY ($1)`,
      [[newestFirst[4], newestFirst[6]]],
    );
  });
  afterAll(() => gateway.close());

  it('shows what each user sees of their own, and who it was', async () => {
    const answer = await ask();
    expect(ids(answer)).toEqual(newestFirst);
    expect(records(answer)[1]).toEqual({
      request_id: newestFirst[1],
      admitted_at: expect.stringMatching(/^\d{4}-.*Z$/),
      settled_at: expect.stringMatching(/^\d{4}-.*Z$/),
      user_id: ada.id,
      username: 'ada',
      model: 'sim',
      key_id: adasKey,
      key_name: 'first key',
      endpoint: 'chat_completions',
      stream: false,
      outcome: 'completed',
      source: 'exact',
      status: 200,
      prompt_tokens: 10,
      cached_tokens: 0,
      completion_tokens: 1,
      reasoning_tokens: 0,
      total_tokens: 11,
      time_to_first_token_ms: 12,
      duration_ms: 34,
    });
    expect(records(answer)[0]).toMatchObject({ username: '@bob', key_id: null, key_name: null });
  });

  it.each([
    ['by user', () => `user_id=${bob.id}`, [0, 3, 6, 9]],
    ['by key', () => `key_id=${adasKey}`, [1, 2, 4, 5, 7, 8, 10, 11]],
    ["by another user's key", () => `key_id=${adasKey}&user_id=${bob.id}`, []],
    ['by sessions', () => `key_id=${SESSIONS}`, [0, 3, 6, 9]],
    ['by model', () => 'model=a%25b_c', [0, 3, 6, 9]],
    ['by a model that is a pattern', () => 'model=a%25', []],
    ['by another one', () => 'model=___', []],
    ['by outcome', () => 'outcome=client_closed', [4, 6]],
    ['by all of it', () => `outcome=client_closed&model=a%25b_c&user_id=${bob.id}`, [6]],
    ['by nobody', () => `user_id=${NOBODY}`, []],
    ['by no key', () => `key_id=${NOBODY}`, []],
  ])('is filtered %s, also page by page', async (_, query, expected) => {
    const wanted = expected.map((n) => newestFirst[n]);
    expect(ids(await ask(`?${query()}`))).toEqual(wanted);
    expect(await walk(`${query()}&limit=1`)).toEqual(wanted);
    const csv = await ask(`?${query()}&format=csv`);
    expect(
      csv.text
        .split('\r\n')
        .slice(1, -1)
        .map((line) => line.split(',')[0]),
    ).toEqual(wanted);
  });

  it('is filtered by time, from included and to not; without a range it is the last 366 days', async () => {
    const generation = { userId: bob.id, prompt: 1, completion: 1 };
    const old = await recordGeneration(gateway, { ...generation, at: new Date('2020-03-01T00:00:00Z') });
    const older = await recordGeneration(gateway, { ...generation, at: new Date('2020-02-29T23:59:59Z') });
    expect(await walk('from=2020-03-01T00:00:00Z&to=2020-03-01T00:00:01Z')).toEqual([old]);
    expect(await walk('from=2020-02-29&to=2020-03-01T00:00:00Z')).toEqual([older]);
    expect(await walk('from=2020-02-01&to=2020-12-31&limit=1')).toEqual([old, older]);
    expect(await walk(`to=2020-02-29&user_id=${bob.id}`)).toEqual([older]);
    expect(await walk('limit=5')).toEqual(newestFirst);
    for (const form of ['', '&format=csv'])
      expect((await ask(`?from=2020-02-01${form}`)).body.code).toBe('range_too_long');
  });

  it('leads through all of them, each once, though new ones arrive meanwhile', async () => {
    const first = await ask('?limit=5');
    await recordGeneration(gateway, { userId: ada.id, at: minutesAgo(-0.5), prompt: 1, completion: 1 });
    const second = await ask(`?limit=100&cursor=${first.body.next_cursor}`);
    expect([...ids(first), ...ids(second)]).toEqual(newestFirst);
    await gateway.dataSource.query('DELETE FROM usage_records WHERE admitted_at > now()');
  });

  it('gives no cell to a spreadsheet that it would take for a formula', async () => {
    const { text, headers } = await ask('', { headers: { accept: 'text/csv' } });
    expect(headers.get('content-disposition')).toContain('usage-records-of-all.csv');
    expect(text.split('\r\n')[0]).toMatch(/^request_id,.*,user_id,username,key_name$/);
    expect(text.split('\r\n')[1]).toMatch(new RegExp(`,${bob.id},'@bob,$`));
  });

  it('finds what is rare in a long ledger, though a page looks through a part of it alone', async () => {
    // In steps, as a statement has 15 s.
    for (let made = 0; made < 45_000; made += 5_000) {
      await gateway.dataSource.query(
        `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome,
           source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
         SELECT (substr(uuid_v7_floor(at)::text, 1, 14) || '7' || substr(md5(n::text), 1, 3) || '-8'
             || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12))::uuid, at, at, $1,
           'chat_completions', CASE WHEN n IN (1, 45000) THEN 'rare' ELSE 'many' END, true, 'completed', 'exact',
           200, 10, 0, 1, 0, 5
         FROM (SELECT n, '2024-05-01T00:00:00Z'::timestamptz + n * interval '1 second' AS at
               FROM generate_series($2::integer + 1, $2::integer + 5000) AS n) AS g`,
        [bob.id, made],
      );
    }
    const range = 'from=2024-05-01&to=2024-05-02';
    const page = await ask(`?${range}&model=rare`);
    expect([ids(page).length, typeof page.body.next_cursor]).toEqual([1, 'string']);
    expect(await walk(`${range}&model=rare`)).toHaveLength(2);
    expect(await walk(`${range}&model=none`)).toEqual([]);
    expect((await ask(`?${range}&model=rare&format=csv`)).text.split('\r\n')).toHaveLength(4);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1.5', 'limit'],
    ['cursor=junk', 'cursor'],
    [`cursor=${'A'.repeat(22)}`, 'cursor'],
    ['user_id=ada', 'user_id'],
    ['key_id=1', 'key_id'],
    ['request_id=1', 'request_id'],
    ['model=', 'model'],
    ['model=%00', 'model'],
    ['outcome=failed', 'outcome'],
    ['from=yesterday', 'from'],
    ['from=2026-03-02&to=2026-02-01', 'from'],
    ['format=xml', 'format'],
    ['group_by=user', 'group_by'],
  ])('refuses ?%s with 400, naming %s', async (query, field) => {
    const answer = await ask(`?${query}`);
    expect([answer.status, answer.body.code, answer.body.param]).toEqual([400, 'invalid_request', field]);
  });

  it('refuses more than 366 days with 422, also as CSV', async () => {
    for (const format of ['json', 'csv']) {
      const answer = await ask(`?from=1900-01-01&to=9999-12-31&format=${format}`);
      expect([answer.status, answer.body.code, answer.body.param]).toEqual([422, 'range_too_long', 'from']);
    }
  });
});
