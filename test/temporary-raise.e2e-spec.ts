import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { Answer, send } from './support/send';

const USUAL = 500_000;
const RAISED = 2_000_000;

describe('a limit that is raised for a while', () => {
  let gateway: TestGateway;
  let request: ReturnType<typeof asAdmin>;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  /** The month's limit of the user, wherever one can read it. */
  const told = async () => {
    const chat = await gateway.post('/v1/chat/completions', user.key, {
      model: 'opencode-llm',
      messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
      max_tokens: 10,
    });
    await chat.text();
    await untilNothingOpen(gateway);
    const own = (path: string, bearer: string): Promise<Answer> => send(gateway.url + path, { bearer });
    const change = { method: 'PATCH', json: { name: 'Ada' } };
    const listed = (await request('/users?role=user')).body.data as { token_limit: number }[];
    const limits = {
      header: Number(chat.headers.get('x-ratelimit-limit-tokens')),
      me: (await own('/users/me', user.accessToken)).body.token_limit,
      changedByMe: (await send(`${gateway.url}/users/me`, { bearer: user.accessToken, ...change })).body
        .token_limit,
      usage: (await own('/users/usage', user.accessToken)).body.token_limit,
      keyUsage: (await own('/v1/usage', user.key)).body.token_limit,
      listed: listed[0]?.token_limit,
      shown: (await request(`/users/${user.id}`)).body.token_limit,
      changed: (await request(`/users/${user.id}`, change)).body.token_limit,
    };
    return { limits, status: chat.status };
  };
  const everywhere = (limit: number) => ({
    limits: {
      header: limit,
      me: limit,
      changedByMe: limit,
      usage: limit,
      keyUsage: limit,
      listed: limit,
      shown: limit,
      changed: limit,
    },
    status: 200,
  });

  it('is the same number everywhere: before, during and after', async () => {
    const put = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'month', amount: USUAL };
    const { id } = (await request('/limits', { method: 'PUT', json: put })).body;
    expect(await told()).toEqual(everywhere(USUAL));

    const raise = { amount: RAISED, until: new Date(Date.now() + 3_600_000).toISOString() };
    const raised = await request(`/limits/${id as string}/temporary`, { method: 'PUT', json: raise });
    expect(raised.status).toBe(200);
    expect(await told()).toEqual(everywhere(RAISED));

    // As if its hour were over.
    await gateway.dataSource.query(`UPDATE limits SET temporary_until = now() WHERE id = $1`, [id]);
    expect(await told()).toEqual(everywhere(USUAL));
  });

  it('lets in what the raise allows, and says so in the profile, when the usual amount is spent', async () => {
    const put = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'month', amount: 0 };
    const { id } = (await request('/limits', { method: 'PUT', json: put })).body;
    const raise = { amount: RAISED, until: new Date(Date.now() + 3_600_000).toISOString() };
    await request(`/limits/${id as string}/temporary`, { method: 'PUT', json: raise });
    expect(await told()).toEqual(everywhere(RAISED));
    await request(`/limits/${id as string}/temporary`, { method: 'DELETE' });
    const { status, limits } = await told();
    expect([status, limits.me, limits.usage, limits.shown]).toEqual([402, 0, 0, 0]);
  });

  it('shows a raised limit of a key in the list of keys, as it holds', async () => {
    const keys = await send(`${gateway.url}/users/me/api-keys`, { bearer: user.accessToken });
    const [key] = JSON.parse(keys.text) as [{ id: string }];
    const put = { subject: 'key', subject_id: key.id, metric: 'tokens', window: 'day', amount: 10 };
    const { id } = (await request('/limits', { method: 'PUT', json: put })).body;
    const raise = { amount: 20, until: new Date(Date.now() + 3_600_000).toISOString() };
    await request(`/limits/${id as string}/temporary`, { method: 'PUT', json: raise });
    const limits = await send(`${gateway.url}/users/me/api-keys/${key.id}/limits`, {
      bearer: user.accessToken,
    });
    expect(JSON.parse(limits.text)).toMatchObject([{ metric: 'tokens', window: 'day', amount: 20 }]);
  });

  it('ends with what an administrator sets next, whichever way', async () => {
    const counter = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'month' };
    const raise = async () => {
      const { id } = (await request('/limits', { method: 'PUT', json: { ...counter, amount: USUAL } })).body;
      const json = { amount: RAISED, until: new Date(Date.now() + 3_600_000).toISOString() };
      await request(`/limits/${id as string}/temporary`, { method: 'PUT', json });
    };
    await raise();
    const braked = await request('/limits', { method: 'PUT', json: { ...counter, amount: 0 } });
    expect(braked.body).toMatchObject({ amount: 0, temporary: null });
    expect(await told()).toMatchObject({ limits: { me: 0, header: 0, shown: 0 }, status: 402 });

    await raise();
    await request(`/users/${user.id}/token-limit`, { method: 'PUT', json: { token_limit: 0 } });
    expect(await told()).toMatchObject({ limits: { me: 0, header: 0, shown: 0 }, status: 402 });
  });

  it('ends at a time with its offset in the next 366 days, and is told so in one sentence otherwise', async () => {
    const put = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'month', amount: USUAL };
    const { id } = (await request('/limits', { method: 'PUT', json: put })).body;
    const raise = (until: unknown) =>
      request(`/limits/${id as string}/temporary`, { method: 'PUT', json: { amount: RAISED, until } });
    const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    for (const until of [
      undefined,
      null,
      5,
      'x',
      day(30),
      `${day(30)}T00:00:00`,
      // What only a query makes of a plus sign.
      `${day(30)}T00:00:00 05:00`,
      // The midnight at the end of a day is that of the next one (RFC 3339).
      `${day(30)}T24:00:00Z`,
      `${day(-1)}T00:00:00Z`,
      `${day(400)}T00:00:00Z`,
    ]) {
      const { status, body } = await raise(until);
      expect([until, status, body.param, body.detail]).toEqual([
        until,
        400,
        'until',
        expect.stringMatching(
          /^until must be a time in the next 366 days, with its offset, such as [\d-]+T00:00:00Z$/,
        ),
      ]);
    }
    for (const until of [`${day(30)}T00:00:00+05:00`, `${day(30)}t23:59:59.5z`]) {
      const { status, body } = await raise(until);
      const ends = (body.temporary as { until: string } | null)?.until;
      expect([until, status, ends]).toEqual([until, 200, new Date(until.toUpperCase()).toISOString()]);
    }
  });

  it('outlasts a new default for everybody', async () => {
    const other = await gateway.register();
    const [limit] = (await request(`/limits?subject_id=${other.id}&metric=tokens`)).body.data as [
      { id: string },
    ];
    const json = { amount: RAISED, until: new Date(Date.now() + 3_600_000).toISOString() };
    await request(`/limits/${limit.id}/temporary`, { method: 'PUT', json });
    const all = { metric: 'tokens', window: 'month', amount: 10 };
    expect((await request('/limits/default', { method: 'PUT', json: all })).status).toBe(200);
    const { body } = await send(`${gateway.url}/users/me`, { bearer: other.accessToken });
    expect(body.token_limit).toBe(RAISED);
  });
});
