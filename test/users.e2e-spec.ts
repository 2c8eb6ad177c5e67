import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

describe('/users/me', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  const me = (sent: Parameters<typeof send>[1] = {}) =>
    send(`${gateway.url}/users/me`, { bearer: ada.accessToken, ...sent });
  const patch = (json: unknown) => me({ method: 'PATCH', json });

  beforeAll(async () => {
    gateway = await startGateway();
    ada = await gateway.register();
  });
  afterAll(() => gateway.close());

  it('shows the user, the limit and what is used, and no secret', async () => {
    const { status, body } = await me();
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      'id',
      'username',
      'email',
      'name',
      'role',
      'status',
      'token_limit',
      'tokens_used',
      'created_at',
    ]);
  });

  it('counts this month’s tokens only, against the smallest monthly limit', async () => {
    const bob = await gateway.register();
    const show = async () => (await send(`${gateway.url}/users/me`, { bearer: bob.accessToken })).body;
    const used = (start: string) =>
      gateway.dataSource.query(
        `UPDATE limit_windows SET used = 321, window_start = ${start}
         WHERE subject_id = $1 AND metric = 'tokens' AND period = 'month'`,
        [bob.id],
      );
    await used(`limit_window_start('month', now(), 'UTC')`);
    expect(await show()).toMatchObject({ tokens_used: 321, token_limit: 1_000_000 });
    await used(`limit_window_start('month', now(), 'UTC') - interval '1 month'`);
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
       VALUES ('user', $1, 'tokens', 'month', 777, 'self'), ('user', $1, 'tokens', 'day', 5, 'self')`,
      [bob.id],
    );
    expect(await show()).toMatchObject({ tokens_used: 0, token_limit: 777 });
  });

  it('changes name and e-mail, and null clears them', async () => {
    const changed = await patch({ name: 'Ada Lovelace', email: 'ada@example.com' });
    expect([changed.status, changed.body.name, changed.body.email]).toEqual([
      200,
      'Ada Lovelace',
      'ada@example.com',
    ]);
    const cleared = await patch({ name: null });
    expect([cleared.body.name, cleared.body.email]).toEqual([null, 'ada@example.com']);
    expect((await patch({})).body).toEqual(cleared.body);
  });

  it.each([
    'role',
    'status',
    'username',
    'id',
    'isAdmin',
    'token_limit',
    'tokenLimit',
    'tokenCap',
    'used',
    'tokens_used',
    'created_at',
    'createdAt',
    'password',
    'passwordHash',
  ])('lets nobody change %s here', async (field) => {
    const before = await me();
    const answer = await patch({ [field]: 'admin' });
    expect([answer.status, answer.body.param]).toEqual([400, field]);
    expect((await me()).body).toEqual(before.body);
  });

  it.each([
    { name: '' },
    { name: 'x'.repeat(201) },
    { name: 'a\nb' },
    { name: 1 },
    { email: 'nope' },
    { email: ['a@example.com'] },
  ])('refuses %j with 400', async (json) => expect((await patch(json)).status).toBe(400));

  it('ignores a prototype in the body', async () => {
    const answer = await patch('{"__proto__":{"role":"admin"},"name":"Ada"}');
    expect([200, 400]).toContain(answer.status);
    expect((await me()).body.role).toBe('user');
    expect(({} as { role?: string }).role).toBeUndefined();
  });

  it('answers a deleted user with 401', async () => {
    const bob = await gateway.register();
    await gateway.dataSource.query('UPDATE users SET deleted_at = now() WHERE id = $1', [bob.id]);
    expect((await send(`${gateway.url}/users/me`, { bearer: bob.accessToken })).status).toBe(401);
  });
});
