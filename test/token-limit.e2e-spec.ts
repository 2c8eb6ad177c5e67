import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from './support/ledger';

const PATH = '/users/me/token-limit';
const CAP = 1_000_000;

describe('PUT /users/me/token-limit', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  const put = (path: string, credential: string, body: unknown) =>
    fetch(gateway.url + path, {
      method: 'PUT',
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const setOwn = (body: unknown) => put(PATH, user.accessToken, body);
  const setCap = (body: unknown) => put(`/admin/users/${user.id}/token-limit`, admin.accessToken, body);
  const held = async () => {
    const answer = await gateway.get('/users/me', user.accessToken);
    return ((await answer.json()) as { token_limit: number | null }).token_limit;
  };

  it.each([
    [0, 0],
    [1, 1],
    [CAP - 1, CAP - 1],
    [CAP, CAP],
    [null, CAP],
  ])('takes %p, and the smaller of it and the cap holds', async (own, effective) => {
    const answer = await setOwn({ token_limit: own });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      token_limit: effective,
      own_limit: own,
      cap: CAP,
      window: 'month',
      used: 0,
      remaining: effective,
    });
    expect(await held()).toBe(effective);
  });

  it('answers a limit above the cap with 422 and keeps the old one', async () => {
    await setOwn({ token_limit: 10 });
    const answer = await setOwn({ token_limit: CAP + 1 });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      type: expect.stringContaining('limit_exceeds_cap'),
      detail: expect.stringContaining(String(CAP)),
    });
    expect(await held()).toBe(10);
  });

  it.each([
    '{"token_limit":-1}',
    '{"token_limit":1.5}',
    '{"token_limit":"10"}',
    '{"token_limit":1e21}',
    '{"token_limit":9007199254740992}',
    '{"token_limit":1e400}',
    '{"token_limit":true}',
    '{"token_limit":[]}',
    '{"token_limit":{}}',
    '{"token_limit":NaN}',
    '{}',
    '[]',
    'null',
    '"10"',
    '',
    '{"token_limit":10,"window":"day"}',
    '{"token_limit":10,"user_id":"someone"}',
    '{"token_limit":10,"used":0}',
  ])('answers %s with 400 and changes nothing', async (body) => {
    const answer = await setOwn(body);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toMatch(/application\/problem\+json/);
    expect(await held()).toBe(CAP);
  });

  it('is closed to API keys: a leaked key raises nothing', async () => {
    for (const body of [0, 10, CAP, CAP + 1, null].map((token_limit) => ({ token_limit }))) {
      const answer = await put(PATH, user.key, body);
      expect([answer.status, await answer.json()]).toEqual([
        403,
        expect.objectContaining({ code: 'session_required' }),
      ]);
    }
    expect(await held()).toBe(CAP);
  });

  it('removes only the own limit with null, whatever cap an administrator set', async () => {
    await setCap({ token_limit: 500 });
    await setOwn({ token_limit: 100 });
    expect(await held()).toBe(100);
    expect(await (await setOwn({ token_limit: null })).json()).toMatchObject({ own_limit: null, cap: 500 });
    expect(await held()).toBe(500);
  });

  it('keeps an own limit under a cap that was lowered later: the smaller holds', async () => {
    await setOwn({ token_limit: 800 });
    await setCap({ token_limit: 500 });
    expect(await held()).toBe(500);
    await setCap({ token_limit: 5_000 });
    expect(await held()).toBe(800);
  });

  it('never touches what is used, and starts a new window from the ledger', async () => {
    const said = [{ role: 'user', content: 'SIM:{"tokens":20}' }];
    const body = { model: 'opencode-llm', messages: said };
    const answer = await gateway.post('/v1/chat/completions', user.key, body);
    const { usage } = (await answer.json()) as { usage: { total_tokens: number } };
    await untilNothingOpen(gateway);
    await setOwn({ token_limit: 50_000 });
    await setOwn({ token_limit: 60_000 });
    expect(await (await setOwn({ token_limit: null })).json()).toMatchObject({ used: usage.total_tokens });
    for (const window of ['hour', 'week', 'total']) {
      expect(await (await setCap({ token_limit: 70_000, window })).json()).toMatchObject({
        window,
        used: usage.total_tokens,
        remaining: 70_000 - usage.total_tokens,
      });
    }
  });

  it('changes while requests race, and never lets more through than the cap', async () => {
    const cap = 3_000;
    await setCap({ token_limit: cap });
    const messages = [{ role: 'user', content: 'SIM:{"tokens":100}' }];
    const body = { model: 'opencode-llm', max_tokens: 100, messages };
    const wishes = [cap, 0, null, cap + 1, 10 ** 9, 1_000, null, cap];
    const [answers, changes] = await Promise.all([
      Promise.all(Array.from({ length: 100 }, () => gateway.post('/v1/chat/completions', user.key, body))),
      Promise.all(wishes.map(async (wish) => (await setOwn({ token_limit: wish })).status)),
    ]);
    expect(changes).toEqual([200, 200, 200, 422, 422, 200, 200, 200]);
    // Whom a machine that stood still made wait for PostgreSQL too long gets a 503.
    expect(answers.filter(({ status }) => ![200, 402, 429, 503].includes(status))).toEqual([]);
    const rows = await settledRows(gateway, user.id);
    const used = rows.reduce((sum, row) => sum + row.prompt_tokens + row.completion_tokens, 0);
    expect([used > 0, used <= cap]).toEqual([true, true]);
    expect(await counterDifferences(gateway)).toEqual([]);
    expect(await (await setOwn({ token_limit: null })).json()).toMatchObject({ used, cap });
  });

  it('writes down who changed what, from what and from where', async () => {
    await setOwn({ token_limit: 10 });
    await setOwn({ token_limit: 20 });
    const rows = await gateway.dataSource.query<Record<string, unknown>[]>(
      `SELECT actor_id, action, before, after, address, request_id FROM audit_log WHERE subject_id = $1
       AND action LIKE 'token_limit%' ORDER BY id`,
      [user.id],
    );
    expect(rows).toHaveLength(2);
    expect(rows[1]).toMatchObject({
      actor_id: user.id,
      action: 'token_limit.set_own',
      before: { window: 'month', cap: CAP, own_limit: 10 },
      after: { window: 'month', cap: CAP, own_limit: 20 },
      address: expect.stringContaining('127.0.0.1'),
      request_id: expect.any(String),
    });
  });
});
