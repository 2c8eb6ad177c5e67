import { randomUUID } from 'node:crypto';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { untilNothingOpen } from './support/ledger';
import { Answer, send } from './support/send';

type Rows = Record<string, unknown>[];

describe('GET /users/me/export', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let ada: TestUser;
  const exported = (user: TestUser): Promise<Answer> =>
    send(`${gateway.url}/users/me/export`, { bearer: user.accessToken });

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    ada = await gateway.register();
  });

  it('is a download of everything kept about the user', async () => {
    const { id, accessToken: bearer } = ada;
    const { url } = gateway;
    await send(`${url}/users/me`, { method: 'PATCH', bearer, json: { name: 'Ada', email: 'a@example.com' } });
    const key = (await send(`${url}/users/me/api-keys`, { bearer, json: { name: 'laptop' } })).body;
    await send(`${url}/users/me/api-keys/${String(key.id)}`, { method: 'DELETE', bearer });
    await send(`${url}/users/me/token-limit`, { method: 'PUT', bearer, json: { token_limit: 5_000 } });
    await asAdmin(gateway, admin)(`/users/${id}/password-reset`, { method: 'POST' });
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 };
    const generated = await gateway.post('/v1/chat/completions', ada.key, body);
    await untilNothingOpen(gateway);

    const answer = await exported(ada);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="account-export.json"');
    expect(answer.body).toMatchObject({
      profile: { id, username: ada.username, name: 'Ada', email: 'a@example.com', role: 'user' },
      password_links: [{ expires_at: expect.any(String) }],
      sessions: [{ address: '127.0.0.1', ended_at: null }],
      api_keys: [
        { name: 'first key', revoked_at: null },
        { name: 'laptop', revoked_at: expect.any(String) },
      ],
      limits: [
        { subject: 'user', metric: 'tokens', window: 'month', amount: 1_000_000, set_by: 'default' },
        { subject: 'user', metric: 'tokens', window: 'month', amount: 5_000, set_by: 'self' },
      ],
      usage_records: [{ request_id: generated.headers.get('x-request-id') }],
    });
    const { daily_usage: days, usage_records: records, counters } = answer.body as Record<string, Rows>;
    expect(days?.map(({ requests, completion_tokens: tokens }) => [requests, tokens])).toEqual([
      [1, records?.[0]?.completion_tokens],
    ]);
    expect(counters).toContainEqual(
      expect.objectContaining({ subject: 'key', window: 'month', used: records?.[0]?.total_tokens }),
    );
  });

  it('tells what was done to the account, and by whom only when it was the user', async () => {
    await send(`${gateway.url}/users/me/token-limit`, {
      method: 'PUT',
      bearer: ada.accessToken,
      json: { token_limit: 7 },
    });
    const asked = asAdmin(gateway, admin);
    await asked(`/users/${ada.id}/token-limit`, { method: 'PUT', json: { token_limit: 9 } });
    const log = (await exported(ada)).body.audit_log as Rows;
    expect(log.map(({ action, by_me: byMe, address }) => [action, byMe, address])).toEqual([
      ['user.created', true, '127.0.0.1'],
      ['token_limit.set_own', true, '127.0.0.1'],
      ['token_limit.set_cap', false, null],
    ]);
    expect(log[2]).toMatchObject({ subject_id: ada.id, after: expect.any(Object) });
    expect(JSON.stringify(log)).not.toContain(admin.id);
    const done = ((await exported(admin)).body.audit_log as Rows).at(-1);
    expect(done).toMatchObject({ by_me: true, subject_id: ada.id, before: null, after: null });
  });

  it('holds no secret, no hash, and nothing of others', async () => {
    const other = await gateway.register();
    await recordGeneration(gateway, { userId: other.id, at: new Date(), prompt: 1, completion: 1 });
    const { text } = await exported(ada);
    for (const secret of [ada.password, ada.key, ada.accessToken, ada.refreshToken, other.id, other.username])
      expect(text).not.toContain(secret);
    expect(text).not.toMatch(/hash|argon2/);
    const registered = expect.objectContaining({ action: 'user.created', subject_id: ada.id });
    expect(JSON.parse(text)).toMatchObject({ usage_records: [], daily_usage: [], audit_log: [registered] });
  });

  it('names the secret before a rotation by how it ends, and when it stops working', async () => {
    const { accessToken: bearer, key } = ada;
    const { url } = gateway;
    const keys = async () => (await exported(ada)).body.api_keys as Rows;
    const [{ id }] = (await keys()) as [{ id: string }];
    const rotated = (await send(`${url}/users/me/api-keys/${id}/rotate`, { bearer, json: {} })).body;
    const shown = rotated.previous_secret as { last_four: string; valid_until: string };
    expect(await keys()).toEqual([
      expect.objectContaining({
        last_four: rotated.last_four,
        previous_secret: { last_four: key.slice(-4), valid_until: shown.valid_until },
      }),
    ]);
    expect((await exported(ada)).text).not.toContain(key.slice(5, -4));
    // Revoking the key ends both secrets; ending the overlap leaves nothing to tell.
    const other = (await send(`${url}/users/me/api-keys`, { bearer, json: { name: 'other' } })).body;
    const of = (path: string) => `${url}/users/me/api-keys/${String(other.id)}${path}`;
    await send(of('/rotate'), { bearer, json: {} });
    await send(of('/previous-secret'), { bearer, method: 'DELETE' });
    expect((await keys())[1]?.previous_secret).toBeNull();
    await send(`${url}/users/me/api-keys/${id}`, { bearer, method: 'DELETE' });
    const [revoked] = (await keys()) as [{ revoked_at: string; previous_secret: { valid_until: string } }];
    expect(revoked.previous_secret.valid_until).toBe(revoked.revoked_at);
  });

  it('holds the invitation the account was made with, but not what administrators noted', async () => {
    expect((await exported(ada)).body.invitation).toBeNull();
    const asked = asAdmin(gateway, admin);
    const none = { metric: 'requests', window: 'minute', amount: null };
    const json = { note: 'the quiet one', token_limit: 9, limits: [none], expires_in_days: 3 };
    const { id, token, expires_at: expiresAt } = (await asked('/invitations', { json })).body;
    const account = { username: 'invited', password: 'a quiet lantern burns on' };
    await send(`${gateway.url}/auth/register`, { json: { ...account, invitation: token } });
    const { access_token: bearer } = (await send(`${gateway.url}/auth/token`, { json: account })).body;
    const { text, body } = await send(`${gateway.url}/users/me/export`, { bearer: String(bearer) });
    expect(body.invitation).toEqual({
      id,
      role: 'user',
      limits: [
        { metric: 'tokens', window: 'month', model: null, amount: 9 },
        { ...none, model: null },
      ],
      created_at: expect.stringMatching(/Z$/),
      expires_at: expiresAt,
      used_at: expect.stringMatching(/Z$/),
    });
    expect(body.default_exemptions).toEqual([{ metric: 'requests', window: 'minute' }]);
    for (const hidden of [json.note, String(token), admin.id]) expect(text).not.toContain(hidden);
  });

  it('holds long lists whole, each row once', async () => {
    await gateway.dataSource.query(
      `INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
         completion_tokens, reasoning_tokens)
       SELECT $1, '2020-01-01'::date + n / 3,
         CASE WHEN n % 3 > 0 THEN $2::uuid ELSE '00000000-0000-0000-0000-000000000000' END, 'model-' || n % 2, 1, n, 0, 0, 0
       FROM generate_series(0, 2499) AS n`,
      [ada.id, randomUUID()],
    );
    await gateway.dataSource.query(
      `INSERT INTO audit_log (actor_id, action, subject, subject_id)
       SELECT $1, 'user.changed', 'user', $1 FROM generate_series(1, 2000)`,
      [ada.id],
    );
    await gateway.dataSource.query(
      `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome,
         source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
       SELECT overlay(gen_random_uuid()::text placing '7' from 15)::uuid, now(), now(), $1, 'chat_completions', 'sim',
         false, 'completed', 'exact', 200, 1, 0, 1, 0, 1
       FROM generate_series(1, 2001)`,
      [ada.id],
    );
    await gateway.dataSource.query(
      `INSERT INTO api_keys (id, user_id, name, key_hash, prefix, last_four, revoked_at)
       SELECT gen_random_uuid(), $1::uuid, 'revoked', decode(md5($1::text || n), 'hex'), 'llmk_', 'abcd', now()
       FROM generate_series(1, 1100) n`,
      [ada.id],
    );
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
       SELECT 'key', id, 'requests', 'day', 1, 'self' FROM api_keys WHERE user_id = $1`,
      [ada.id],
    );
    const { body } = await exported(ada);
    const distinct = (rows: unknown, of: (row: Rows[number]) => unknown) =>
      new Set((rows as Rows).map(of)).size;
    expect([
      distinct(body.daily_usage, ({ prompt_tokens: tokens }) => tokens),
      distinct(body.audit_log, ({ id }) => id),
      distinct(body.usage_records, ({ request_id: id }) => id),
    ]).toEqual([2_500, 2_001, 2_001]);
    expect((body.daily_usage as Rows).length + (body.usage_records as Rows).length).toBe(4_501);
    const ofKeys = (rows: unknown) => (rows as Rows).filter(({ subject }) => subject === 'key');
    expect([
      distinct(body.api_keys, ({ id }) => id),
      (body.api_keys as Rows).length,
      distinct(ofKeys(body.limits), ({ subject_id: id }) => id),
      ofKeys(body.limits).length,
      distinct(ofKeys(body.counters), ({ subject_id: id, window, metric }) => `${id} ${window} ${metric}`),
      ofKeys(body.counters).length,
    ]).toEqual([1_101, 1_101, 1_101, 1_101, 4 * 1_101, 4 * 1_101]);
  });

  it('is closed to API keys', async () => {
    const answer = await send(`${gateway.url}/users/me/export`, { bearer: ada.key });
    expect([answer.status, answer.body.code]).toEqual([403, 'session_required']);
  });
});
