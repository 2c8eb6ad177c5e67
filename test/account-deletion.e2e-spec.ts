import { setTimeout as sleep } from 'node:timers/promises';
import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from './support/ledger';
import { ledgerLines } from './support/ledger-report';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { LostTime } from './support/lost-time';
import { Answer, send, Sent } from './support/send';

/** How long a revoked key may still be believed, on any replica. Milliseconds. */
const PROMISED_MS = 5_000;

describe('DELETE /users/me', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let ada: TestUser;
  const lost = new LostTime();
  const remove = (user: TestUser, json: unknown = { current_password: user.password }): Promise<Answer> =>
    send(`${gateway.url}/users/me`, { method: 'DELETE', bearer: user.accessToken, json });
  const statuses = (path: string, bearer: string): Promise<number[]> =>
    Promise.all([gateway, replica].map(async ({ url }) => (await send(url + path, { bearer })).status));

  beforeAll(async () => {
    gateway = await startGateway();
    replica = await startGateway({ replicaOf: gateway });
  });
  afterAll(async () => {
    await lost.stop();
    await replica.close();
    await gateway.close();
  });
  beforeEach(async () => {
    ada = await gateway.register();
  });

  it('ends every access on every replica within 5 s, keeps the ledger, and gives the name free', async () => {
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 };
    expect((await gateway.post('/v1/chat/completions', ada.key, body)).status).toBe(200);
    const before = await settledRows(gateway, ada.id);
    expect(await statuses('/v1/models', ada.key)).toEqual([200, 200]);

    const answer = await remove(ada);
    expect([answer.status, answer.text]).toEqual([204, '']);
    const deletedAt = Date.now();
    expect(await statuses('/users/me', ada.accessToken)).toEqual([401, 401]);
    const refreshed = await send(`${replica.url}/auth/refresh`, {
      json: { refresh_token: ada.refreshToken },
    });
    expect(refreshed.status).toBe(401);
    const login = { username: ada.username, password: ada.password };
    expect((await send(`${replica.url}/auth/token`, { json: login })).status).toBe(401);
    expect((await replica.post('/v1/chat/completions', ada.key, body)).status).toBe(401);
    while ((await statuses('/v1/models', ada.key)).includes(200) && Date.now() - deletedAt < 30_000)
      await sleep(50);
    const ended = Date.now();
    expect(ended - deletedAt - (await lost.between(deletedAt, ended))).toBeLessThan(PROMISED_MS);

    expect(await settledRows(gateway, ada.id)).toEqual(before);
    expect(await counterDifferences(gateway)).toEqual([]);
    const [row] = await gateway.dataSource.query(
      'SELECT username, email, name, password_hash FROM users WHERE id = $1',
      [ada.id],
    );
    expect(row).toEqual({ username: `deleted-${ada.id}`, email: null, name: null, password_hash: null });
    expect((await gateway.register(ada.username)).id).not.toBe(ada.id);
    expect(await auditOf(gateway, ada.id)).toEqual([
      expect.objectContaining({
        action: 'user.deleted',
        actor_id: ada.id,
        request_id: answer.headers.get('x-request-id'),
      }),
    ]);
  });

  it.each([
    ['a wrong password', { current_password: 'wrong' }, 'wrong_password'],
    ['no password', {}, 'invalid_request'],
    ['no body', undefined, 'invalid_request'],
    ['a password that is no text', { current_password: { $ne: 1 } }, 'invalid_request'],
    ['a field too many', { current_password: 'x', user_id: 'y' }, 'invalid_request'],
  ])('is refused for %s, and nothing is gone', async (_, json, code) => {
    const answer = await send(`${gateway.url}/users/me`, {
      method: 'DELETE',
      bearer: ada.accessToken,
      ...(json ? { json } : {}),
    });
    expect([answer.status, answer.body.code]).toEqual([400, code]);
    expect(await statuses('/users/me', ada.accessToken)).toEqual([200, 200]);
    expect(await auditOf(gateway, ada.id)).toEqual([]);
  });

  it.each([
    ['an API key', '/users/me/api-keys', { json: { name: 'laptop of Ada' } }, 401],
    ['a name', '/users/me', { method: 'PATCH', json: { name: 'Ada', email: 'ada@example.com' } }, 404],
    ['a password', '/auth/password', { json: { new_password: 'another quiet lantern' } }, 400],
  ])('leaves nothing of %s that was asked for just before', async (_, path, sent: Sent, status) => {
    const held = gateway.dataSource.createQueryRunner();
    await held.startTransaction();
    await held.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [ada.id]);
    const deleting = remove(ada);
    await untilLocksAreAwaited(gateway, 1);
    const json = path.endsWith('password')
      ? { current_password: ada.password, ...(sent.json as object) }
      : sent.json;
    const asking = send(replica.url + path, { ...sent, json, bearer: ada.accessToken });
    await untilLocksAreAwaited(gateway, 2);
    await held.commitTransaction();
    await held.release();

    expect((await deleting).status).toBe(204);
    expect((await asking).status).toBe(status);
    const left = await gateway.dataSource.query(
      `SELECT u.name, u.email, u.password_hash, array(
         SELECT k.name FROM api_keys k WHERE k.user_id = u.id AND k.revoked_at IS NULL) AS keys
       FROM users u WHERE u.id = $1`,
      [ada.id],
    );
    expect(left).toEqual([{ name: null, email: null, password_hash: null, keys: [] }]);
  });

  it('leaves no time of a login that was still under way', async () => {
    const deletion = gateway.dataSource.createQueryRunner();
    await deletion.startTransaction();
    // Lets the session be opened, and not the login be noted.
    await deletion.query('SELECT 1 FROM users WHERE id = $1 FOR SHARE', [ada.id]);
    const login = { username: ada.username, password: ada.password };
    const loggingIn = send(`${gateway.url}/auth/token`, { json: login });
    await untilLocksAreAwaited(gateway, 1);
    await deletion.query('UPDATE users SET last_login_at = NULL, deleted_at = now() WHERE id = $1', [ada.id]);
    await deletion.commitTransaction();
    await deletion.release();
    await loggingIn;
    const left = await gateway.dataSource.query('SELECT last_login_at FROM users WHERE id = $1', [ada.id]);
    expect(left).toEqual([{ last_login_at: null }]);
  });

  it('finds no session any more when the account was deleted at that moment', async () => {
    const answers = await Promise.all([remove(ada), remove(ada), remove(ada)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401]);
    const refused = answers.filter(({ status }) => status === 401);
    expect(refused.map(({ body }) => body.code as string)).toEqual(['invalid_token', 'invalid_token']);
  });

  it('counts wrong passwords as failed logins', async () => {
    for (let i = 0; i < 10; i += 1) await remove(ada, { current_password: 'x' });
    const answer = await remove(ada);
    expect([answer.status, answer.body.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(await statuses('/users/me', ada.accessToken)).toEqual([200, 200]);
  });

  it('is refused to the last active administrator, and not to one of two', async () => {
    const [first, second] = [await gateway.registerAdmin(), await gateway.registerAdmin()];
    expect((await remove(first)).status).toBe(204);
    const last = await remove(second);
    expect([last.status, last.body.code]).toEqual([409, 'last_admin']);
    expect(await statuses('/users/me', second.accessToken)).toEqual([200, 200]);
  });

  it('is closed to API keys, whatever they know', async () => {
    const answer = await send(`${gateway.url}/users/me`, {
      method: 'DELETE',
      bearer: ada.key,
      json: { current_password: ada.password },
    });
    expect([answer.status, answer.body.code]).toEqual([403, 'session_required']);
  });

  it('takes the limits of the user and of the keys away, and leaves what was counted', async () => {
    const request = asAdmin(gateway, await gateway.registerAdmin());
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 };
    expect((await gateway.post('/v1/chat/completions', ada.key, body)).status).toBe(200);
    await untilNothingOpen(gateway);
    const [{ id: keyId }] = await gateway.dataSource.query('SELECT id FROM api_keys WHERE user_id = $1', [
      ada.id,
    ]);
    const subjects = { user: ada.id, key: String(keyId) };
    const limit = { metric: 'tokens', window: 'week', amount: 100_000 };
    for (const [subject, subject_id] of Object.entries(subjects)) {
      const json = { ...limit, subject, subject_id };
      expect((await request('/limits', { method: 'PUT', json })).status).toBe(200);
    }
    const listed = async (id: string) =>
      (await request(`/limits?subject_id=${id}`)).body.data as readonly unknown[];
    const counted = () =>
      gateway.dataSource.query('SELECT * FROM limit_windows WHERE subject_id = ANY ($1) ORDER BY id', [
        Object.values(subjects),
      ]);
    expect([(await listed(ada.id)).length, (await listed(subjects.key)).length]).toEqual([2, 1]);
    const before = await counted();
    const json = { token_limit: null, window: 'day' };
    await request(`/users/${ada.id}/token-limit`, { method: 'PUT', json });
    const exempt = () =>
      gateway.dataSource.query('SELECT period FROM default_exemptions WHERE user_id = $1', [ada.id]);
    expect(await exempt()).toEqual([{ period: 'day' }]);

    expect((await remove(ada)).status).toBe(204);
    for (const id of Object.values(subjects)) expect(await listed(id)).toEqual([]);
    expect(await exempt()).toEqual([]);
    expect(await counted()).toEqual(before);
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
