import { startGateway, TestGateway } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { send } from './support/send';

const NEXT = 'another quiet lantern';

describe('POST /auth/password', () => {
  let gateway: TestGateway;
  const change = (bearer: string, json: unknown) => send(`${gateway.url}/auth/password`, { bearer, json });
  const logIn = (username: string, password: string) =>
    send(`${gateway.url}/auth/token`, { json: { username, password } });
  const me = (bearer: string) => send(`${gateway.url}/users/me`, { bearer });

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it('changes the password and ends the other sessions; the API keys stay', async () => {
    const ada = await gateway.register();
    const other = (await logIn(ada.username, ada.password)).body;
    const answer = await change(ada.accessToken, { current_password: ada.password, new_password: NEXT });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await me(ada.accessToken)).status).toBe(200);
    expect((await me(String(other.access_token))).status).toBe(401);
    const refreshed = await send(`${gateway.url}/auth/refresh`, {
      json: { refresh_token: other.refresh_token },
    });
    expect(refreshed.status).toBe(401);
    expect((await logIn(ada.username, ada.password)).status).toBe(401);
    expect((await logIn(ada.username, NEXT)).status).toBe(200);
    expect((await send(`${gateway.url}/v1/models`, { bearer: ada.key })).status).toBe(200);
  });

  it('needs the current password', async () => {
    const ada = await gateway.register();
    const wrong = await change(ada.accessToken, { current_password: 'wrong', new_password: NEXT });
    expect([wrong.status, wrong.body.code]).toEqual([400, 'wrong_password']);
    expect((await change(ada.accessToken, { new_password: NEXT })).status).toBe(400);
    expect((await logIn(ada.username, ada.password)).status).toBe(200);
  });

  it('holds the new password to the rules', async () => {
    const ada = await gateway.register();
    const weak = await change(ada.accessToken, { current_password: ada.password, new_password: 'short' });
    expect([weak.status, weak.body.code, weak.body.param]).toEqual([400, 'weak_password', 'new_password']);
  });

  it('refuses the current password as the new one, and ends no session', async () => {
    const ada = await gateway.register();
    const other = (await logIn(ada.username, ada.password)).body;
    const answer = await change(ada.accessToken, {
      current_password: ada.password,
      new_password: ada.password,
    });
    expect([answer.status, answer.body]).toEqual([
      400,
      expect.objectContaining({
        code: 'weak_password',
        param: 'new_password',
        detail: 'new_password must differ from the current password',
      }),
    ]);
    expect((await me(String(other.access_token))).status).toBe(200);
  });

  it('counts wrong passwords as failed logins', async () => {
    const ada = await gateway.register();
    const statuses: number[] = [];
    for (let i = 0; i < 11; i += 1) {
      statuses.push((await change(ada.accessToken, { current_password: 'x', new_password: NEXT })).status);
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 400), 429]);
  });

  it('takes no API key', async () => {
    const ada = await gateway.register();
    const answer = await change(ada.key, { current_password: ada.password, new_password: NEXT });
    expect([answer.status, answer.body.code]).toEqual([403, 'session_required']);
  });

  it('of two changes at once one holds, and the other is told that its password is no longer the right one', async () => {
    const ada = await gateway.register();
    const held = gateway.dataSource.createQueryRunner();
    await held.startTransaction();
    await held.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [ada.id]);
    const changing = [NEXT, `${NEXT} again`].map(async (password) => ({
      password,
      answer: await change(ada.accessToken, { current_password: ada.password, new_password: password }),
    }));
    // Both have found the password right.
    await untilLocksAreAwaited(gateway, 2);
    await held.commitTransaction();
    await held.release();

    const done = await Promise.all(changing);
    expect(done.map(({ answer }) => answer.body?.code ?? answer.status).sort()).toEqual([
      204,
      'wrong_password',
    ]);
    for (const { password, answer } of done) {
      const status = answer.status === 204 ? 200 : 401;
      expect((await logIn(ada.username, password)).status).toBe(status);
    }
  });
});
