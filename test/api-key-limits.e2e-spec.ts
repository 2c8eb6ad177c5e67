import { asAdmin } from './support/administration';
import { asOwner, Key, makeKey } from './support/api-keys';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from './support/ledger';
import { Answer, send, Sent } from './support/send';

const NOWHERE = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];
const A_DAY = { metric: 'tokens', window: 'day', amount: 1_000 };

interface Limit {
  readonly id: string;
  readonly [field: string]: unknown;
}

describe('/users/me/api-keys/{id}/limits', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let ada: TestUser;
  let key: Key;
  let keys: (path: string, sent?: Sent) => Promise<Answer>;
  const put = (json: unknown, id = key.id) => keys(`/${id}/limits`, { method: 'PUT', json });
  const set = async (limit: object): Promise<Limit> => {
    const answer = await put(limit);
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.body as Limit;
  };
  const listed = async () => (await keys(`/${key.id}/limits`)).body as unknown as Limit[];
  const remove = (limitId: string) => keys(`/${key.id}/limits/${limitId}`, { method: 'DELETE' });
  const setAsAdmin = async (limit: object) =>
    (
      await asAdmin(gateway, admin)('/limits', {
        method: 'PUT',
        json: { subject: 'key', subject_id: key.id, ...limit },
      })
    ).body as Limit;
  const setCap = (token_limit: number) =>
    asAdmin(gateway, admin)(`/users/${ada.id}/token-limit`, { method: 'PUT', json: { token_limit } });
  const chat = (bearer = key.key, steps: object = { tokens: 5 }) =>
    send(`${gateway.url}/v1/chat/completions`, {
      bearer,
      json: { model: 'opencode-llm', messages: said(steps) },
    });
  const refusal = async (bearer = key.key) => {
    const { status, body } = await chat(bearer);
    return [status, (body.error as { message: string }).message];
  };

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  beforeEach(async () => {
    ada = await gateway.register();
    keys = asOwner(gateway, ada);
    key = await makeKey(gateway, ada);
  });
  afterAll(() => gateway.close());

  it('are set once per metric, window and model, listed, changed and removed', async () => {
    const day = await set(A_DAY);
    expect(day).toEqual({
      id: expect.any(String),
      metric: 'tokens',
      window: 'day',
      model: null,
      amount: 1_000,
      set_by: 'self',
    });
    const other = await set({ ...A_DAY, model: 'opencode-llm', amount: 7 });
    const atOnce = await set({ metric: 'concurrent_requests', window: null, model: null, amount: 2 });
    expect(atOnce).toMatchObject({ window: null, amount: 2 });
    expect(await set({ ...A_DAY, amount: 5 })).toEqual({ ...day, amount: 5 });
    expect(await listed()).toEqual([{ ...day, amount: 5 }, other, atOnce]);
    expect((await remove(other.id)).status).toBe(204);
    expect((await remove(other.id)).status).toBe(404);
    const all = (await keys('')).body as unknown as Key[];
    expect(all.map(({ limits }) => limits)).toEqual([[{ ...day, amount: 5 }, atOnce], []]);
  });

  it('hold the key and no other one, and count what it has used already', async () => {
    expect((await chat()).status).toBe(200);
    await untilNothingOpen(gateway);
    await set({ metric: 'requests', window: 'week', amount: 2 });
    expect((await chat()).status).toBe(200);
    const [status, message] = await refusal();
    expect([status, message]).toEqual([
      402,
      expect.stringMatching(/this API key.*this week.*owner.*may lift/),
    ]);
    expect((await chat(ada.key)).status).toBe(200);
    expect(await settledRows(gateway, ada.id)).toHaveLength(3);
  });

  it('never reset in total, and say that no administrator is needed', async () => {
    expect((await chat()).status).toBe(200);
    await set({ metric: 'tokens', window: 'total', amount: 1 });
    const [status, message] = await refusal();
    expect([status, message]).toEqual([402, expect.not.stringMatching(/administrator|\d/)]);
    expect(message).toMatch(/never resets by itself\. The owner of the key .* may lift it/);
  });

  it('of more than the owner has do not help: the cap of the owner holds, lowered afterwards too', async () => {
    await set({ metric: 'tokens', window: 'month', amount: 5_000_000 });
    expect((await chat()).status).toBe(200);
    await untilNothingOpen(gateway);
    const [row] = await settledRows(gateway, ada.id);
    await setCap((row?.prompt_tokens ?? 0) + (row?.completion_tokens ?? 0));
    const [status, message] = await refusal();
    expect([status, message]).toEqual([402, expect.stringContaining('your account')]);
    await setCap(1_000_000);
    expect((await chat()).status).toBe(200);
    expect((await listed())[0]).toMatchObject({ amount: 5_000_000 });
  });

  it('are not overshot by requests that race for the last tokens', async () => {
    await set({ ...A_DAY, amount: 300 });
    await Promise.all(Array.from({ length: 30 }, () => chat(key.key, { tokens: 40 })));
    await untilNothingOpen(gateway);
    const [counter] = await gateway.dataSource.query<[{ used: string; reserved: string }]>(
      `SELECT used, reserved FROM limit_windows WHERE subject_id = $1 AND period = 'day' AND metric = 'tokens'`,
      [key.id],
    );
    expect(Number(counter.used)).toBeGreaterThan(0);
    expect(Number(counter.used)).toBeLessThanOrEqual(300);
    expect(Number(counter.reserved)).toBe(0);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('leave the limit of an administrator alone, and the smaller one holds', async () => {
    const cap = await setAsAdmin({ metric: 'requests', window: 'day', amount: 1 });
    const own = await set({ metric: 'requests', window: 'day', amount: 100 });
    expect((await listed()).map(({ set_by, amount }) => [set_by, amount])).toEqual([
      ['admin', 1],
      ['self', 100],
    ]);
    expect((await remove(cap.id)).status).toBe(404);
    expect([(await chat()).status, (await chat()).status]).toEqual([200, 402]);
    expect((await remove(own.id)).status).toBe(204);
    expect((await listed()).map(({ id, set_by }) => [id, set_by])).toEqual([[cap.id, 'admin']]);
    expect((await chat()).status).toBe(402);
  });

  it('may be given when the key is made', async () => {
    const limits = [
      { metric: 'requests', window: 'day', amount: 1 },
      { metric: 'concurrent_requests', amount: 4 },
    ];
    const made = await makeKey(gateway, ada, { limits });
    expect(made.limits).toEqual([
      expect.objectContaining({ ...limits[0], model: null, set_by: 'self' }),
      expect.objectContaining({ ...limits[1], window: null }),
    ]);
    expect([(await chat(made.key)).status, (await chat(made.key)).status]).toEqual([200, 402]);
  });

  it.each([
    [[{ ...A_DAY, amount: -1 }], 'limits.0.amount'],
    [[A_DAY, { ...A_DAY, window: 'year' }], 'limits.1.window'],
    [[A_DAY, A_DAY], 'limits'],
    [
      [
        { metric: 'concurrent_requests', window: null, amount: 1 },
        { metric: 'concurrent_requests', amount: 2 },
      ],
      'limits',
    ],
    [[{ metric: 'concurrent_requests', window: 'day', amount: 1 }], 'limits.0.window'],
    [[null], 'limits'],
    [[5], 'limits'],
    [A_DAY, 'limits'],
  ])('are refused when the key is made with %j', async (limits, field) => {
    const answer = await keys('', { json: { name: 'laptop', limits } });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(`"${field}`)]);
    expect(((await keys('')).body as unknown as Key[]).length).toBe(2);
  });

  it.each([
    ['{"metric":"tokens","window":"day"}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":-1}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":1.5}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":"10"}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":null}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":1e21}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":9007199254740992}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":1e400}', 'amount'],
    ['{"metric":"tokens","window":"day","amount":[1]}', 'amount'],
    ['{"metric":"tokens","amount":1}', 'window'],
    ['{"metric":"tokens","window":"year","amount":1}', 'window'],
    ['{"metric":"euros","window":"day","amount":1}', 'metric'],
    ['{"metric":"tokens","window":"day","amount":1,"model":""}', 'model'],
    ['{"metric":"tokens","window":"day","amount":1,"model":"a\\u0000"}', 'model'],
    ['{"metric":"tokens","window":"day","amount":1,"set_by":"admin"}', 'set_by'],
    ['{"metric":"tokens","window":"day","amount":1,"subject":"user"}', 'subject'],
  ])('refuse %s, naming the field, and change nothing', async (body, field) => {
    const answer = await put(body);
    expect([answer.status, answer.body.param]).toEqual([400, field]);
    expect(await listed()).toEqual([]);
  });

  it('take 0 and the largest whole number of JSON', async () => {
    for (const amount of [0, Number.MAX_SAFE_INTEGER]) {
      expect(await set({ ...A_DAY, amount })).toMatchObject({ amount });
    }
  });

  it('need no more than 32 counters a key, in a race and with removed ones too', async () => {
    const ask = (i: number) =>
      put({ metric: i % 2 ? 'requests' : 'tokens', window: 'day', model: `m${i}`, amount: 1 });
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(29);
    const refused = answers.find(({ status }) => status !== 200);
    expect([refused?.status, refused?.body.code]).toEqual([409, 'too_many_limits']);
    // What is refused keeps nobody waiting, and waits for nobody.
    const counting = gateway.dataSource.createQueryRunner();
    await counting.connect();
    try {
      await counting.startTransaction();
      await counting.query('SELECT pg_advisory_xact_lock_shared(counting_lock())');
      expect((await put({ ...A_DAY, model: 'one-more' })).status).toBe(409);
    } finally {
      await counting.rollbackTransaction();
      await counting.release();
    }
    for (const { id } of await listed()) await remove(id);
    expect((await put({ metric: 'concurrent_requests', amount: 1 })).status).toBe(409);
    expect((await set(A_DAY)).amount).toBe(1_000);
  });

  it('of keys of others, and of revoked ones, look as if there were none', async () => {
    const { id } = await set(A_DAY);
    const bob = await gateway.register();
    const bobs = await makeKey(gateway, bob);
    const askedBy = (path: string, sent: Sent) => asOwner(gateway, bob)(path, sent);
    const asked = async (keyId: string) => {
      const answers = [
        await askedBy(`/${keyId}/limits`, {}),
        await askedBy(`/${keyId}/limits`, { method: 'PUT', json: A_DAY }),
        await askedBy(`/${keyId}/limits/${id}`, { method: 'DELETE' }),
        await askedBy(`/${keyId}/usage`, {}),
      ];
      return answers.map(({ status, text }) => [status, text]);
    };
    const foreign = await asked(key.id);
    expect(foreign).toEqual(await asked(NOWHERE));
    expect(foreign.map(([status]) => status)).toEqual([404, 404, 404, 404]);
    expect((await askedBy(`/${bobs.id}/limits/${id}`, { method: 'DELETE' })).status).toBe(404);
    expect(await listed()).toHaveLength(1);
    await keys(`/${key.id}`, { method: 'DELETE' });
    expect((await put(A_DAY)).status).toBe(404);
    expect((await remove(id)).status).toBe(404);
    const left = gateway.dataSource.query('SELECT id FROM limits WHERE id = $1', [id]);
    expect(await left).toEqual([]);
  });

  it('are closed to API keys: one cannot lift its own limit', async () => {
    const { id } = await set({ ...A_DAY, amount: 0 });
    const sent: [string, Sent][] = [
      ['', {}],
      ['', { method: 'PUT', json: A_DAY }],
      [`/${id}`, { method: 'DELETE' }],
    ];
    for (const [path, request] of sent) {
      const answer = await keys(`/${key.id}/limits${path}`, { ...request, bearer: key.key });
      expect([answer.status, answer.body.code]).toEqual([403, 'session_required']);
    }
    expect((await listed())[0]).toMatchObject({ amount: 0 });
  });

  it('show with what is used at /usage, to the owner as to the key, and after revocation', async () => {
    await set(A_DAY);
    await chat();
    await chat(ada.key);
    await untilNothingOpen(gateway);
    const usage = await keys(`/${key.id}/usage`);
    const seenByKey = await send(`${gateway.url}/v1/usage`, { bearer: key.key });
    expect([usage.status, usage.body]).toEqual([200, seenByKey.body]);
    expect(usage.body).toMatchObject({ object: 'usage', key_id: key.id, totals: { requests: 1 } });
    expect(usage.body.windows).toContainEqual(
      expect.objectContaining({ subject: 'key', metric: 'tokens', window: 'day', limit: 1_000 }),
    );
    expect((await keys(`/${key.id}/usage`, { bearer: key.key })).status).toBe(403);
    expect((await keys(`/${key.id}/usage?from=2020-01-01&to=2026-01-01`)).status).toBe(422);
    await keys(`/${key.id}`, { method: 'DELETE' });
    expect((await keys(`/${key.id}/usage`)).body).toMatchObject({ totals: { requests: 1 } });
  });
});
