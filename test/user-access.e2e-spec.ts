import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { NOBODYS_ID } from './support/documented-operations';
import { settledRows } from './support/ledger';
import { Answer, send, Sent } from './support/send';

describe('what a user gets in with, ended by an administrator', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let bob: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const status = async (url: string, bearer: string) => (await send(gateway.url + url, { bearer })).status;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    bob = await gateway.register();
  });

  it('sessions end at once, and only theirs', async () => {
    const ada = await gateway.register();
    expect((await request(`/users/${bob.id}/sessions`, { method: 'DELETE' })).status).toBe(204);
    expect(await status('/users/me', bob.accessToken)).toBe(401);
    const refreshed = await send(`${gateway.url}/auth/refresh`, {
      json: { refresh_token: bob.refreshToken },
    });
    expect(refreshed.status).toBe(401);
    expect([await status('/users/me', ada.accessToken), await status('/v1/models', bob.key)]).toEqual([
      200, 200,
    ]);
    expect(await auditOf(gateway, bob.id)).toEqual([
      expect.objectContaining({ action: 'user.sessions_ended', actor_id: admin.id, after: { ended: 1 } }),
    ]);
  });

  it('sessions are listed, the one that asks told apart', async () => {
    const own = await request(`/users/${admin.id}/sessions`);
    const current = (own.body as unknown as { current: boolean }[]).filter((session) => session.current);
    expect(current).toHaveLength(1);
    const again = await send(`${gateway.url}/auth/token`, {
      json: { username: bob.username, password: bob.password },
    });
    expect(again.status).toBe(200);
    const listed = (await request(`/users/${bob.id}/sessions`)).body as unknown as {
      id: string;
      current: boolean;
    }[];
    expect(listed.map(({ current }) => current)).toEqual([false, false]);
    const told = await send(`${gateway.url}/auth/sessions`, { bearer: bob.accessToken });
    expect(listed.map(({ id }) => id)).toEqual(
      (told.body as unknown as { id: string }[]).map(({ id }) => id),
    );
    for (const text of [JSON.stringify(listed), told.text]) expect(text).not.toMatch(/token|secret/);
  });

  it('what they used and have left is shown as they see it, and of each key', async () => {
    const chat = { model: 'opencode-llm', messages: [{ role: 'user', content: 'SIM:{"tokens":3}' }] };
    expect((await send(`${gateway.url}/v1/chat/completions`, { bearer: bob.key, json: chat })).status).toBe(
      200,
    );
    await settledRows(gateway, bob.id);
    const seen = await request(`/users/${bob.id}/usage`);
    const own = await send(`${gateway.url}/users/usage`, { bearer: bob.accessToken });
    expect([seen.status, seen.body]).toEqual([200, own.body]);
    expect(seen.body.totals).toMatchObject({ requests: 1, completion_tokens: 3 });
    const [key] = (await request(`/users/${bob.id}/api-keys`)).body as unknown as [{ id: string }];
    const ofKey = await request(`/users/${bob.id}/api-keys/${key.id}/usage`);
    const byItself = await send(`${gateway.url}/v1/usage`, { bearer: bob.key });
    expect([ofKey.status, ofKey.body]).toEqual([200, byItself.body]);
    const ada = await gateway.register();
    for (const path of [
      `${ada.id}/api-keys/${key.id}/usage`,
      `${NOBODYS_ID}/usage`,
      `${NOBODYS_ID}/sessions`,
    ])
      expect([path, (await request(`/users/${path}`)).status]).toEqual([path, 404]);
    expect((await request(`/users/${bob.id}/usage?from=2020-01-01`)).body.code).toBe('range_too_long');
  });

  it('keys are listed without themselves', async () => {
    const { body, text } = await request(`/users/${bob.id}/api-keys`);
    expect(body).toEqual([
      expect.objectContaining({
        name: 'first key',
        prefix: bob.key.slice(0, 8),
        last_four: bob.key.slice(-4),
      }),
    ]);
    expect(text).not.toContain(bob.key.slice(8, -4));
  });

  it('one key is revoked, the other one goes on', async () => {
    const second = await send(`${gateway.url}/users/me/api-keys`, {
      bearer: bob.accessToken,
      json: { name: 'b' },
    });
    expect(await status('/v1/models', bob.key)).toBe(200);
    const keys = (await request(`/users/${bob.id}/api-keys`)).body as unknown as {
      id: string;
      name: string;
    }[];
    const first = keys.find(({ name }) => name === 'first key');
    const path = `/users/${bob.id}/api-keys/${first?.id}`;
    expect((await request(path, { method: 'DELETE' })).status).toBe(204);
    expect(await status('/v1/models', bob.key)).toBe(401);
    expect(await status('/v1/models', String(second.body.key))).toBe(200);
    expect((await request(path, { method: 'DELETE' })).status).toBe(404);
    expect((await auditOf(gateway, bob.id)).map(({ action, after }) => [action, after])).toEqual([
      ['user.api_keys_revoked', { key_ids: [first?.id] }],
    ]);
    const { body } = await request(`/audit-log?action=key.revoked&subject=key&subject_id=${first?.id}`);
    expect(body.data).toEqual([
      expect.objectContaining({
        actor: { id: admin.id, username: admin.username },
        before: null,
        after: null,
      }),
    ]);
  });

  it('is told key by key in the audit log when all keys are revoked, or go with the account', async () => {
    const [ada, grace] = [await gateway.register(), await gateway.register()];
    for (const [user, path] of [
      [ada, `/users/${ada.id}/api-keys`],
      [grace, `/users/${grace.id}`],
    ] as const) {
      await send(`${gateway.url}/users/me/api-keys`, { bearer: user.accessToken, json: { name: 'second' } });
      const keys = (await request(`/users/${user.id}/api-keys`)).body as unknown as { id: string }[];
      expect(keys).toHaveLength(2);
      expect((await request(path, { method: 'DELETE' })).status).toBe(204);
      for (const { id } of keys) {
        expect((await auditOf(gateway, id)).at(-1)).toMatchObject({
          action: 'key.revoked',
          actor_id: admin.id,
        });
      }
    }
  });

  it("one user's key is not found under another", async () => {
    const keys = (await request(`/users/${bob.id}/api-keys`)).body as unknown as { id: string }[];
    const wrong = await request(`/users/${admin.id}/api-keys/${keys[0]?.id}`, { method: 'DELETE' });
    expect(wrong.status).toBe(404);
    expect(await status('/v1/models', bob.key)).toBe(200);
  });

  it('all keys are revoked', async () => {
    await send(`${gateway.url}/users/me/api-keys`, { bearer: bob.accessToken, json: { name: 'b' } });
    expect((await request(`/users/${bob.id}/api-keys`, { method: 'DELETE' })).status).toBe(204);
    expect((await request(`/users/${bob.id}/api-keys`)).body).toEqual([]);
    expect(await status('/v1/models', bob.key)).toBe(401);
  });
});
