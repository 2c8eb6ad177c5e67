import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { Answer, send, Sent } from './support/send';

type Request = (path: string, sent?: Sent) => Promise<Answer>;

const WAYS: [name: string, sent: Sent][] = [
  ['demoted', { method: 'PATCH', json: { role: 'user' } }],
  ['disabled', { method: 'PATCH', json: { status: 'disabled' } }],
  ['deleted', { method: 'DELETE' }],
];

describe('the last active administrator', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let admin: TestUser;
  let request: Request;
  const activeAdmins = async () => {
    const rows = await gateway.dataSource.query(
      `SELECT id FROM users WHERE role = 'admin' AND status = 'active' AND deleted_at IS NULL`,
    );
    return rows as { id: string }[];
  };

  beforeAll(async () => {
    gateway = await startGateway();
    replica = await startGateway({ replicaOf: gateway });
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
  });
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });

  const resign = (at: TestGateway, { accessToken, password }: TestUser) =>
    send(`${at.url}/users/me`, {
      method: 'DELETE',
      bearer: accessToken,
      json: { current_password: password },
    });
  /** A way to end oneself as an administrator: deleting is not done by an administrator's route. */
  const end = (user: TestUser, sent: Sent, id = user.id) =>
    sent.method === 'DELETE' ? resign(gateway, user) : asAdmin(gateway, user)(`/users/${id}`, sent);

  it.each(WAYS)('cannot be %s', async (_, sent) => {
    const answer = await end(admin, sent);
    expect([answer.status, answer.body.code]).toEqual([409, 'last_admin']);
    expect(await activeAdmins()).toEqual([{ id: admin.id }]);
  });

  it.each(WAYS)('cannot be %s by an id in capitals', async (_, sent) => {
    const answer = await end(admin, sent, admin.id.toUpperCase());
    expect([answer.status, answer.body.code]).toEqual([409, 'last_admin']);
    const bob = await gateway.register();
    expect((await request(`/users/${bob.id.toUpperCase()}`, sent)).status).toBeLessThan(300);
  });

  it('stays the last one beside administrators who are disabled or deleted', async () => {
    const bob = await gateway.registerAdmin();
    await request(`/users/${bob.id}`, { method: 'PATCH', json: { status: 'disabled' } });
    expect((await resign(gateway, admin)).body.code).toBe('last_admin');
    await request(`/users/${bob.id}`, { method: 'DELETE' });
    expect((await resign(gateway, admin)).body.code).toBe('last_admin');
  });

  it('stays the last one beside an administrator who has not set a password yet', async () => {
    const made = await request('/users', { method: 'POST', json: { username: 'carl', role: 'admin' } });
    for (const [, sent] of WAYS)
      expect((await end(admin, sent)).body).toMatchObject({ status: 409, code: 'last_admin' });
    // Their link would have ended with the role of who made it.
    const [, token] = (made.body.password_link as { url: string }).url.split('#');
    const set = { token, new_password: 'a password of some length' };
    const answer = await send(`${gateway.url}/auth/password-reset`, { method: 'POST', json: set });
    expect(answer.status).toBe(204);
    // Who has none may go, as long as somebody who has one stays.
    const dora = await request('/users', { method: 'POST', json: { username: 'dora', role: 'admin' } });
    for (const { body } of [dora, made])
      expect((await request(`/users/${body.id as string}`, { method: 'DELETE' })).status).toBe(204);
  });

  it('may change what leaves an administrator', async () => {
    const answer = await request(`/users/${admin.id}`, {
      method: 'PATCH',
      json: { name: 'Ada', role: 'admin', status: 'active' },
    });
    expect([answer.status, answer.body.name]).toEqual([200, 'Ada']);
  });

  it.each(WAYS)(
    'is left when two administrators are %s at once, each by the other, on two replicas',
    async (_, sent) => {
      for (let round = 0; round < 8; round += 1) {
        const [a, b] = [await gateway.registerAdmin(), await gateway.registerAdmin()];
        // Only these two, so that each of them is the other's last colleague.
        await gateway.dataSource.query(
          `UPDATE users SET role = 'user' WHERE role = 'admin' AND id <> ALL ($1)`,
          [[a.id, b.id]],
        );
        const answers = await Promise.all([
          asAdmin(gateway, a)(`/users/${b.id}`, sent),
          asAdmin(replica, b)(`/users/${a.id}`, sent),
        ]);
        // The loser may also be refused because its own session has ended by then.
        const statuses = answers.map(({ status }) => status);
        expect(statuses.filter((status) => status === 200 || status === 204)).toHaveLength(1);
        expect([401, 403, 409]).toContain(Math.max(...statuses));
        expect(await activeAdmins()).toHaveLength(1);
      }
    },
  );

  it.each([['disabled'], ['deleted']])(
    'is looked for without a deadlock while somebody %s is held with many others, as for a new default limit',
    async (way) => {
      const bob = await gateway.register();
      // Made later, so behind bob in the order of ids.
      const grace = await gateway.registerAdmin();
      const many = gateway.dataSource.createQueryRunner();
      const hold = ({ id }: TestUser) =>
        many.query('SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);
      await many.startTransaction();
      await hold(bob);
      const [, sent] = WAYS.find(([name]) => name === way) as (typeof WAYS)[number];
      const ending = asAdmin(gateway, grace)(`/users/${bob.id}`, sent);
      await untilLocksAreAwaited(gateway, 1);
      await hold(grace);
      await many.commitTransaction();
      await many.release();
      expect((await ending).status).toBeLessThan(300);
    },
  );

  it('is left when five administrators all resign at once', async () => {
    const crowd = await Promise.all(Array.from({ length: 5 }, () => gateway.registerAdmin()));
    await gateway.dataSource.query(`UPDATE users SET role = 'user' WHERE role = 'admin' AND id <> ALL ($1)`, [
      crowd.map(({ id }) => id),
    ]);
    const answers = await Promise.all(crowd.map((one, i) => resign(i % 2 ? gateway : replica, one)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 204, 204, 204, 409]);
    expect(await activeAdmins()).toHaveLength(1);
  });
});
