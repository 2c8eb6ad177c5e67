import { setTimeout as sleep } from 'node:timers/promises';
import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { LostTime } from './support/lost-time';
import { Answer, send, Sent } from './support/send';

const UNKNOWN = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';

describe('accounts in the hands of an administrator', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const lost = new LostTime();
  let count = 0;
  const aName = () => `user${(count += 1)}`;
  const create = (fields: Record<string, unknown> = {}) =>
    request('/users', { json: { username: aName(), ...fields } });
  const change = (id: unknown, json: unknown) => request(`/users/${id}`, { method: 'PATCH', json });
  const me = (user: TestUser) => send(`${gateway.url}/users/me`, { bearer: user.accessToken });
  const models = (key: unknown) => send(`${gateway.url}/v1/models`, { bearer: String(key) });

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
  });
  afterAll(async () => {
    await lost.stop();
    await gateway.close();
  });

  describe('POST /admin/users', () => {
    it('makes an account with a first API key and, without a password, a link to set one', async () => {
      const { status, body, headers } = await create({ name: 'Grace Hopper', email: 'grace@example.com' });
      expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
      expect(body).toMatchObject({
        name: 'Grace Hopper',
        email: 'grace@example.com',
        role: 'user',
        status: 'active',
        token_limit: 1_000_000,
        has_password: false,
        api_key: expect.stringMatching(/^llmk_/),
      });
      const link = body.password_link as { token: string; url: string; expires_at: string };
      expect(link.url).toBe(`${gateway.env.publicUrl}/auth/password-reset#${link.token}`);
      expect(Date.parse(link.expires_at) - Date.now()).toBeGreaterThan(6 * 86_400_000);
      expect((await models(body.api_key)).status).toBe(200);
      expect(await auditOf(gateway, String(body.id))).toEqual([
        expect.objectContaining({
          action: 'user.created',
          actor_id: admin.id,
          after: { role: 'user', status: 'active' },
          request_id: headers.get('x-request-id'),
        }),
      ]);
    });

    it('takes a password, a role and a cap', async () => {
      const password = 'a quiet lantern burns';
      const { body } = await create({ password, role: 'admin', token_limit: 5_000_000 });
      expect(body).toMatchObject({ role: 'admin', token_limit: 5_000_000, password_link: null });
      const tokens = await send(`${gateway.url}/auth/token`, { json: { username: body.username, password } });
      const own = await send(`${gateway.url}/users/me/token-limit`, {
        method: 'PUT',
        bearer: String(tokens.body.access_token),
        json: { token_limit: 5_000_001 },
      });
      expect([own.status, own.body.code]).toEqual([422, 'limit_exceeds_cap']);
      expect((await create({ token_limit: null })).body.token_limit).toBeNull();
    });

    it('lets nobody log in before a password is set', async () => {
      const { body } = await create();
      for (const password of ['', 'null', 'a quiet lantern']) {
        const answer = await send(`${gateway.url}/auth/token`, {
          json: { username: body.username, password },
        });
        expect([answer.status, answer.body.error]).toEqual([401, 'invalid_grant']);
      }
    });

    it('refuses a taken name and a weak password', async () => {
      const taken = await create({ username: admin.username.toUpperCase() });
      expect([taken.status, taken.body.code]).toEqual([409, 'username_taken']);
      const weak = await create({ password: 'password1234' });
      expect([weak.status, weak.body.code]).toEqual([400, 'weak_password']);
    });

    it.each([
      { username: 'a b' },
      { password: 1 },
      { role: 'root' },
      { token_limit: -1 },
      { token_limit: '10' },
      { email: 'nope' },
      { id: UNKNOWN },
      { status: 'disabled' },
    ])('refuses %j with 400, naming the field', async (fields) => {
      const answer = await create(fields);
      expect([answer.status, answer.body.param]).toEqual([400, Object.keys(fields)[0]]);
    });
  });

  describe('GET and PATCH /admin/users/{id}', () => {
    it('changes name and e-mail, and null clears them; the audit log says which, not what', async () => {
      const { body } = await create();
      const changed = await change(body.id, { name: 'Ada Lovelace', email: 'ada@example.com' });
      expect(changed.body).toMatchObject({ name: 'Ada Lovelace', email: 'ada@example.com' });
      expect((await change(body.id, { name: null })).body.name).toBeNull();
      expect((await request(`/users/${body.id}`)).body).toMatchObject({
        name: null,
        email: 'ada@example.com',
      });
      const [, first] = await auditOf(gateway, String(body.id));
      expect(first?.after).toEqual({ role: 'user', status: 'active', also_changed: ['name', 'email'] });
      expect(JSON.stringify(await auditOf(gateway, String(body.id)))).not.toMatch(/Lovelace|example\.com/);
    });

    it('writes nothing into the audit log when nothing changes', async () => {
      const { body } = await create();
      expect((await change(body.id, {})).status).toBe(200);
      expect((await change(body.id, { role: 'user', name: null })).status).toBe(200);
      expect((await auditOf(gateway, String(body.id))).map(({ action }) => action)).toEqual(['user.created']);
    });

    it('disables at once for sessions, within 5 s for keys, and keeps keys for later', async () => {
      const bob = await gateway.register();
      expect((await models(bob.key)).status).toBe(200);
      const answer = await change(bob.id, { status: 'disabled' });
      const begun = Date.now();
      expect([answer.status, answer.body.status]).toEqual([200, 'disabled']);
      expect((await me(bob)).status).toBe(401);
      const login = { username: bob.username, password: bob.password };
      expect((await send(`${gateway.url}/auth/token`, { json: login })).status).toBe(401);
      while ((await models(bob.key)).status === 200 && Date.now() - begun < 30_000) await sleep(100);
      const ended = Date.now();
      expect(ended - begun - (await lost.between(begun, ended))).toBeLessThan(5_000);
      await change(bob.id, { status: 'active' });
      expect((await me(bob)).status).toBe(401);
      expect((await send(`${gateway.url}/auth/token`, { json: login })).status).toBe(200);
      await sleep(4_200);
      expect((await models(bob.key)).status).toBe(200);
      expect((await auditOf(gateway, bob.id)).map(({ before, after }) => [before, after])).toEqual([
        [
          { role: 'user', status: 'active' },
          { role: 'user', status: 'disabled' },
        ],
        [
          { role: 'user', status: 'disabled' },
          { role: 'user', status: 'active' },
        ],
      ]);
    });

    it('ends the sessions of a user whose role changes', async () => {
      const bob = await gateway.register();
      expect((await change(bob.id, { role: 'admin' })).body.role).toBe('admin');
      expect((await me(bob)).status).toBe(401);
    });

    it.each([
      { role: null },
      { role: 'root' },
      { status: 'deleted' },
      { status: null },
      { username: 'x' },
      { password: 'x' },
    ])('refuses %j with 400', async (json) => {
      const answer = await change(admin.id, json);
      expect([answer.status, answer.body.param]).toEqual([400, Object.keys(json)[0]]);
    });
  });

  describe('DELETE /admin/users/{id}', () => {
    it('forgets the person, ends every access, and keeps the ledger', async () => {
      const bob = await gateway.register();
      await change(bob.id, { name: 'Bob Martin', email: 'bob@example.com' });
      const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 };
      expect((await gateway.post('/v1/chat/completions', bob.key, body)).status).toBe(200);
      expect((await request(`/users/${bob.id}`, { method: 'DELETE' })).status).toBe(204);

      expect((await me(bob)).status).toBe(401);
      expect((await models(bob.key)).status).toBe(401);
      const login = { username: bob.username, password: bob.password };
      expect((await send(`${gateway.url}/auth/token`, { json: login })).status).toBe(401);
      for (const method of ['GET', 'DELETE'])
        expect((await request(`/users/${bob.id}`, { method })).status).toBe(404);
      expect((await change(bob.id, { status: 'active' })).status).toBe(404);
      expect((await request(`/users?search=${bob.username}`)).body.data).toEqual([]);

      await untilNothingOpen(gateway);
      const [{ rows }] = (await gateway.dataSource.query<{ rows: string }[]>(
        'SELECT count(*) AS rows FROM usage_records WHERE user_id = $1',
        [bob.id],
      )) as [{ rows: string }];
      expect(rows).toBe('1');
      for (const table of ['users', 'sessions', 'api_keys', 'audit_log', 'password_resets']) {
        const found = await gateway.dataSource.query(`SELECT t::text AS row FROM ${table} t`);
        expect([table, JSON.stringify(found)]).not.toEqual([
          table,
          expect.stringMatching(new RegExp(`${bob.username}|Bob Martin|bob@example`)),
        ]);
      }
      expect((await auditOf(gateway, bob.id)).at(-1)).toMatchObject({
        action: 'user.deleted',
        actor_id: admin.id,
      });
    });

    it('gives the name free', async () => {
      const bob = await gateway.register();
      await request(`/users/${bob.id}`, { method: 'DELETE' });
      expect((await gateway.register(bob.username)).id).not.toBe(bob.id);
    });
  });

  it.each([
    ['DELETE', '', 'DELETE /users/me'],
    ['POST', '/password-reset', 'POST /auth/password'],
  ])('does not take a session for the password of its own account: %s %s', async (method, path, instead) => {
    for (const id of [admin.id, admin.id.toUpperCase()]) {
      const answer = await request(`/users/${id}${path}`, { method });
      expect([answer.status, answer.body.code]).toEqual([409, 'own_account']);
      expect(answer.body.detail).toContain(instead);
    }
    expect((await me(admin)).status).toBe(200);
  });

  it.each([
    'GET /',
    'PATCH /',
    'DELETE /',
    'POST /password-reset',
    'DELETE /sessions',
    'GET /api-keys',
    'DELETE /api-keys',
  ])('answers 404 for an account there is not, and 400 for what is no id: %s', async (route) => {
    const [method, path] = route.split(' ') as [string, string];
    const json = method === 'PATCH' ? {} : undefined;
    const missing = await request(`/users/${UNKNOWN}${path === '/' ? '' : path}`, { method, json });
    expect([missing.status, missing.body.code]).toEqual([404, 'not_found']);
    const wrong = await request(`/users/ada${path === '/' ? '' : path}`, { method, json });
    expect([wrong.status, wrong.body.code]).toEqual([400, 'invalid_request']);
  });
});
