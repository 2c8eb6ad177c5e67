import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { Answer, send, Sent } from './support/send';

describe('what usage sums up as', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let bob: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const limit = (json: object) => request('/limits', { method: 'PUT', json });
  const summaryOf = ({ body }: Answer) => {
    const { tokens_used, token_limit, remaining, tightest_window } = body;
    return { tokens_used, token_limit, remaining, tightest_window };
  };
  const usageOf = async (user: TestUser) => {
    const [key] = (await request(`/users/${user.id}/api-keys`)).body as unknown as [{ id: string }];
    return {
      own: summaryOf(await send(`${gateway.url}/users/usage`, { bearer: user.accessToken })),
      withKey: summaryOf(await send(`${gateway.url}/v1/usage`, { bearer: user.key })),
      ofKey: summaryOf(
        await send(`${gateway.url}/users/me/api-keys/${key.id}/usage`, { bearer: user.accessToken }),
      ),
      keyId: key.id,
    };
  };

  beforeAll(async () => {
    gateway = await startGateway();
    [ada, bob] = [await gateway.register(), await gateway.register()];
    request = asAdmin(gateway, await gateway.registerAdmin());
  });
  afterAll(() => gateway.close());

  it('is of the user’s own month, unless something else is tighter', async () => {
    const summary = {
      tokens_used: 0,
      token_limit: 1_000_000,
      remaining: 1_000_000,
      tightest_window: { subject: 'user', window: 'month' },
    };
    expect(await usageOf(ada)).toMatchObject({ own: summary, withKey: summary, ofKey: summary });
  });

  it('tells a limit that all users share from the user’s own, and a key’s from that', async () => {
    await gateway.post('/v1/chat/completions', bob.key, {
      model: 'opencode-llm',
      messages: [{ role: 'user', content: 'hi' }],
    });
    const [row] = await settledRows(gateway, bob.id);
    const used = (row?.prompt_tokens ?? 0) + (row?.completion_tokens ?? 0);
    expect(used).toBeGreaterThan(0);
    await limit({ subject: 'everyone', metric: 'tokens', window: 'week', amount: 10_000 });
    const shared = {
      tokens_used: used,
      token_limit: 10_000,
      remaining: 10_000 - used,
      tightest_window: { subject: 'everyone', window: 'week' },
    };
    const { keyId, ...seen } = await usageOf(ada);
    expect(seen).toEqual({ own: shared, withKey: shared, ofKey: shared });
    await limit({ subject: 'key', subject_id: keyId, metric: 'tokens', window: 'total', amount: 5 });
    const ofKey = {
      tokens_used: 0,
      token_limit: 5,
      remaining: 5,
      tightest_window: { subject: 'key', window: 'total' },
    };
    expect(await usageOf(ada)).toEqual({ own: shared, withKey: ofKey, ofKey, keyId });
  });

  it('without any limit is of the month, which then only counts', async () => {
    const all = { method: 'PUT', json: { token_limit: null } };
    await request(`/users/${bob.id}/token-limit`, all);
    const { body } = await request('/limits?subject=everyone');
    for (const { id } of body.data as { id: string }[]) await request(`/limits/${id}`, { method: 'DELETE' });
    const { own } = await usageOf(bob);
    expect(own).toMatchObject({ token_limit: null, remaining: null });
    expect(own.tightest_window).toEqual({ subject: 'user', window: 'month' });
  });
});
