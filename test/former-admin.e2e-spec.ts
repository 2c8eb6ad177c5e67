import { asAdmin, auditOf } from './support/administration';
import { makeKey } from './support/api-keys';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { Answer, send, Sent } from './support/send';

const UNTIL = () => new Date(Date.now() + 3_600_000).toISOString();

describe('an administrator whose role ends at that moment', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let grace: TestUser;
  let bob: TestUser;
  let byOthers: ReturnType<typeof asAdmin>;
  let keyId: string;
  let invitationId: string;
  let limitId: string;
  let requestId: string;

  beforeAll(async () => {
    gateway = await startGateway();
    [admin, grace, bob] = [
      await gateway.registerAdmin(),
      await gateway.registerAdmin(),
      await gateway.register(),
    ];
    byOthers = asAdmin(gateway, admin);
    keyId = (await makeKey(gateway, bob)).id;
    invitationId = String((await byOthers('/invitations', { json: { expires_in_days: 1 } })).body.id);
    const limit = { subject: 'user', subject_id: bob.id, metric: 'requests', window: 'day', amount: 100 };
    limitId = String((await byOthers('/limits', { method: 'PUT', json: limit })).body.id);
    await byOthers(`/limits/${limitId}/temporary`, { method: 'PUT', json: { amount: 200, until: UNTIL() } });
    requestId = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
    await gateway.dataSource.query(
      `INSERT INTO open_requests (request_id, user_id, model, endpoint, stream, admitted_at, prompt_bound, reserved, held,
         process_id)
       SELECT $1, $2, 'sim', 'chat_completions', false, now(), 0, 0, '{}', id FROM processes LIMIT 1`,
      [requestId, bob.id],
    );
  });
  afterAll(() => gateway.close());

  /** Sends it while the role is being taken away; what is asked for has to wait for that. */
  async function whileDemoted(path: string, sent: Sent): Promise<Answer> {
    const demoting = gateway.dataSource.createQueryRunner();
    await demoting.startTransaction();
    await demoting.query(`UPDATE users SET role = 'user' WHERE id = $1`, [grace.id]);
    try {
      const asked = asAdmin(gateway, grace)(path, sent);
      await untilLocksAreAwaited(gateway, 1);
      await demoting.commitTransaction();
      return await asked;
    } finally {
      if (demoting.isTransactionActive) await demoting.rollbackTransaction();
      await demoting.release();
      await gateway.dataSource.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [grace.id]);
    }
  }

  it.each<[string, () => string, Sent]>([
    ['deletes no account', () => `/users/${bob.id}`, { method: 'DELETE' }],
    ['ends no sessions', () => `/users/${bob.id}/sessions`, { method: 'DELETE' }],
    ['revokes no keys', () => `/users/${bob.id}/api-keys`, { method: 'DELETE' }],
    ['revokes no key', () => `/users/${bob.id}/api-keys/${keyId}`, { method: 'DELETE' }],
    ['revokes no invitation', () => `/invitations/${invitationId}`, { method: 'DELETE' }],
    ['ends no request', () => `/live-requests/${requestId}`, { method: 'DELETE' }],
    [
      'sets no limit',
      () => '/limits',
      { method: 'PUT', json: { subject: 'everyone', metric: 'tokens', window: 'day', amount: 0 } },
    ],
    ['raises no limit', () => `/limits/${limitId}/temporary`, { method: 'PUT', json: { amount: 9 } }],
    ['ends no raise', () => `/limits/${limitId}/temporary`, { method: 'DELETE' }],
    ['removes no limit', () => `/limits/${limitId}`, { method: 'DELETE' }],
    [
      'sets no default',
      () => '/limits/default',
      { method: 'PUT', json: { metric: 'tokens', window: 'week', amount: 1 } },
    ],
    ['sets no cap', () => `/users/${bob.id}/token-limit`, { method: 'PUT', json: { token_limit: 0 } }],
  ])('%s', async (_, path, sent) => {
    const json = sent.json as { amount?: number } | undefined;
    const body = path().endsWith('/temporary') && json ? { ...json, until: UNTIL() } : json;
    const answer = await whileDemoted(path(), { ...sent, json: body });
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
  });

  it('leaves everything as it was, and nothing of it in the audit log', async () => {
    const done: unknown[] = await gateway.dataSource.query(
      'SELECT action FROM audit_log WHERE actor_id = $1 AND subject_id <> $1',
      [grace.id],
    );
    expect(done).toEqual([]);
    expect((await send(`${gateway.url}/users/me`, { bearer: bob.accessToken })).status).toBe(200);
    expect((await byOthers(`/users/${bob.id}/api-keys`)).text).toContain(keyId);
    expect((await byOthers(`/invitations/${invitationId}`)).body.status).toBe('open');
    expect((await byOthers(`/limits?subject_id=${bob.id}`)).text).toContain('"temporary":{"amount":200');
    expect((await auditOf(gateway, bob.id)).map(({ action }) => action)).toEqual([
      'limit.put',
      'limit.raise',
    ]);
  });

  it('never waits in a circle: two who change limits of each other and of all are both heard', async () => {
    const hers = asAdmin(gateway, grace);
    const cap = (id: string, token_limit: number) => ({
      path: `/users/${id}/token-limit`,
      json: { token_limit },
    });
    const put = (subject_id: string, amount: number) => ({
      path: '/limits',
      json: { subject: 'user', subject_id, metric: 'requests', window: 'hour', amount },
    });
    const all = (amount: number) => ({
      path: '/limits/default',
      json: { metric: 'tokens', window: 'week', amount },
    });
    for (let round = 1; round <= 15; round += 1) {
      const answers = await Promise.all([
        ...[cap(admin.id, round), put(admin.id, round), all(1_000 + round)].map(({ path, json }) =>
          hers(path, { method: 'PUT', json }),
        ),
        ...[cap(grace.id, round), put(grace.id, round), all(2_000 + round)].map(({ path, json }) =>
          byOthers(path, { method: 'PUT', json }),
        ),
      ]);
      expect(answers.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(Array(6).fill(200));
    }
  });
});
