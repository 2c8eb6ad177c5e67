import { recordGeneration } from './support/generations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send } from './support/send';

interface Page {
  data: { request_id: string; total_tokens: number }[];
  next_cursor: string | null;
}

const ROWS = 120;

describe('GET /users/usage/records', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let newestFirst: string[];

  const ask = (query = '', user = ada, headers?: Record<string, string>): Promise<Answer> =>
    send(`${gateway.url}/users/usage/records${query}`, { bearer: user.accessToken, headers });
  const page = async (query = '', user = ada) => (await ask(query, user)).body as unknown as Page;
  const ids = ({ data }: Page) => data.map(({ request_id }) => request_id);

  beforeAll(async () => {
    gateway = await startGateway();
    ada = await gateway.register();
    const bob = await gateway.register();
    newestFirst = [];
    for (let n = 0; n < ROWS; n += 1) {
      const generation = { at: new Date(Date.now() - n * 60_000), prompt: 10, completion: n };
      newestFirst.push(await recordGeneration(gateway, { ...generation, userId: ada.id }));
      if (n % 10 === 0) await recordGeneration(gateway, { ...generation, userId: bob.id });
    }
  });
  afterAll(() => gateway.close());

  it('shows 50 records, newest first, with everything the ledger knows of them', async () => {
    const { data, next_cursor } = await page();
    expect(ids({ data, next_cursor })).toEqual(newestFirst.slice(0, 50));
    expect(data[1]).toEqual({
      request_id: newestFirst[1],
      admitted_at: expect.stringMatching(/^\d{4}-.*Z$/),
      settled_at: expect.stringMatching(/^\d{4}-.*Z$/),
      model: 'sim',
      key_id: null,
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
    expect(next_cursor).toEqual(expect.any(String));
  });

  it('leads through all own records by cursor, each once, though new ones arrive meanwhile', async () => {
    const carol = await gateway.register();
    const expected: string[] = [];
    for (let n = 0; n < 25; n += 1) {
      const at = new Date(Date.now() - n * 1_000);
      expected.push(await recordGeneration(gateway, { userId: carol.id, at, prompt: 1, completion: 1 }));
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '?limit=10' : `?limit=10&cursor=${cursor}`;
      const next: Page = await page(query, carol);
      seen.push(...ids(next));
      cursor = next.next_cursor;
      await recordGeneration(gateway, {
        userId: carol.id,
        at: new Date(Date.now() + 60_000),
        prompt: 1,
        completion: 1,
      });
    }
    expect(seen).toEqual(expected);
  });

  it('ends with a null cursor when a page is exactly full', async () => {
    expect(await page('?limit=100')).toMatchObject({ next_cursor: expect.any(String) });
    const dave = await gateway.register();
    await recordGeneration(gateway, { userId: dave.id, at: new Date(), prompt: 1, completion: 1 });
    expect((await page('?limit=1', dave)).next_cursor).toBeNull();
  });

  it.each([
    '?limit=0',
    '?limit=101',
    '?limit=-1',
    '?limit=1.5',
    '?limit=ten',
    '?limit=',
    '?cursor=junk',
    '?cursor=',
    `?cursor=${'A'.repeat(22)}`,
    '?format=xml',
    '?offset=10',
  ])('refuses %s with 400 and a sentence', async (query) => {
    const answer = await ask(query);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'invalid_request', detail: expect.any(String) });
  });

  it('gives no way into another user’s records, not even with the cursor of that user', async () => {
    const { next_cursor } = await page('?limit=1');
    const eve = await gateway.register();
    expect(await page(`?cursor=${next_cursor}`, eve)).toEqual({ data: [], next_cursor: null });
  });

  it.each([
    ['?format=csv', {}],
    ['', { accept: 'text/csv' }],
  ])('gives all of them as CSV for %j %j', async (query, headers) => {
    const answer = await ask(query, ada, headers);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(answer.headers.get('content-disposition')).toContain('usage-records.csv');
    const lines = answer.text.split('\r\n');
    expect(lines[0]).toMatch(/^request_id,admitted_at,/);
    expect(lines.slice(1, -1).map((line) => line.split(',')[0])).toEqual(newestFirst);
    expect(lines.at(-1)).toBe('');
  });

  it('answers JSON to a client that takes anything', async () => {
    expect((await ask('', ada, { accept: '*/*' })).headers.get('content-type')).toContain('application/json');
  });

  it('streams a long CSV in pages', async () => {
    const frank = await gateway.register();
    await gateway.dataSource.query(
      `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome,
         source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
       SELECT (substr(uuid_v7_floor(at)::text, 1, 14) || '7' || substr(md5(n::text), 1, 3) || '-8'
           || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12))::uuid,
         at, at, $1, 'chat_completions', 'sim', true, 'completed', 'exact', 200, 10, 0, 1, 0, 5
       FROM (SELECT n, now() - n * interval '1 second' AS at FROM generate_series(1, 3500) AS n) AS g`,
      [frank.id],
    );
    const answer = await ask('?format=csv', frank);
    const requestIds = answer.text
      .split('\r\n')
      .slice(1, -1)
      .map((line) => line.split(',')[0]);
    expect(new Set(requestIds).size).toBe(3_500);
    expect(answer.headers.get('transfer-encoding')).toBe('chunked');
  });

  it('is closed to API keys', async () => {
    expect((await send(`${gateway.url}/users/usage/records`, { bearer: ada.key })).status).toBe(403);
  });
});
