import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send, Sent } from './support/send';

const PASSWORD = 'seven lamps by the harbour';

describe('links that are checked', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  let count = 0;
  const aName = () => `checked${(count += 1)}`;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
  });
  beforeEach(() => gateway.dataSource.query('DELETE FROM login_throttles'));
  afterAll(() => gateway.close());

  describe('invitations', () => {
    const invite = async () =>
      (await request('/invitations', { json: {} })).body as { id: string; token: string };
    beforeAll(() => (gateway.env.REGISTRATION = 'invite'));
    afterAll(() => (gateway.env.REGISTRATION = 'open'));
    const statusOf = async (id: string) => (await request(`/invitations/${id}`)).body.status;
    const register = (fields: object) =>
      send(`${gateway.url}/auth/register`, {
        json: { username: aName(), password: PASSWORD, ...fields },
      });
    const check = (invitation: unknown) =>
      send(`${gateway.url}/auth/register/check`, { json: { invitation } });
    const attempts = async () =>
      (await gateway.dataSource.query('SELECT failures FROM login_throttles'))[0]?.failures ?? 0;

    it('stay as they are, and count as no attempt, however often', async () => {
      const { id, token } = await invite();
      for (let n = 0; n < 5; n += 1) {
        const answer = await check(token);
        expect([answer.status, answer.text]).toEqual([204, '']);
      }
      expect([await statusOf(id), await attempts()]).toEqual(['open', 0]);
      expect((await register({ invitation: token })).status).toBe(201);
      expect((await check(token)).status).toBe(403);
    });

    it('tell nothing but what registering tells, and wrong ones count the same', async () => {
      const [revoked, old] = [await invite(), await invite()];
      await request(`/invitations/${revoked.id}`, { method: 'DELETE' });
      await gateway.dataSource.query(
        `UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1`,
        [old.id],
      );
      const wrong = ['', 'a guess', revoked.token, old.token, '\u0000'];
      for (const invitation of wrong) {
        const [checked, used] = [await check(invitation), await register({ invitation })];
        expect([checked.status, checked.body]).toEqual([403, used.body]);
      }
      expect(await attempts()).toBe(2 * wrong.length);
      for (const none of [null, undefined, 1, 'x'.repeat(257)]) expect((await check(none)).status).toBe(400);
    });

    it('are refused as registrations are once there were too many, right ones and wrong ones', async () => {
      const { token } = await invite();
      await check('a guess');
      await gateway.dataSource.query('UPDATE login_throttles SET failures = 300');
      for (const invitation of [token, 'a guess']) {
        const [checked, used] = [await check(invitation), await register({ invitation })];
        expect([checked.status, checked.body]).toEqual([429, used.body]);
      }
    });

    it('are closed as registrations are', async () => {
      const { token } = await invite();
      gateway.env.REGISTRATION = 'closed';
      try {
        const [checked, used] = [await check(token), await register({ invitation: token })];
        expect([checked.status, checked.body]).toEqual([403, used.body]);
        expect(checked.body.code).toBe('registration_closed');
      } finally {
        gateway.env.REGISTRATION = 'invite';
      }
    });
  });

  it('password links: tell whether they work, and nothing but what their use tells, without being used', async () => {
    const issue = async ({ id }: TestUser) =>
      (await request(`/users/${id}/password-reset`, { method: 'POST' })) as Answer & {
        body: { token: string };
      };
    const use = (token: unknown) =>
      send(`${gateway.url}/auth/password-reset`, { json: { token, new_password: PASSWORD } });
    const check = (token: unknown) => send(`${gateway.url}/auth/password-reset/check`, { json: { token } });
    const [bob, eve] = [await gateway.register(), await gateway.register()];
    const { body } = await issue(bob);
    for (let n = 0; n < 5; n += 1) expect((await check(body.token)).status).toBe(204);
    expect((await send(`${gateway.url}/users/me`, { bearer: bob.accessToken })).status).toBe(200);
    const [replaced, old] = [await issue(eve), await issue(eve)];
    await gateway.dataSource.query(
      `UPDATE password_resets SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [eve.id],
    );
    expect((await use(body.token)).status).toBe(204);
    for (const token of [body.token, replaced.body.token, old.body.token, 'llmp_', '\u0000']) {
      const [checked, used] = [await check(token), await use(token)];
      expect([checked.status, checked.body]).toEqual([400, used.body]);
    }
    expect((await auditOf(gateway, bob.id)).map(({ action }) => action)).toEqual([
      'user.password_reset_issued',
      'user.password_reset_used',
    ]);
  });
});
