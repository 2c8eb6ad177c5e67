import { UsersService } from '../src/users/users.service';
import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { send } from './support/send';

const EVERYONE = '00000000-0000-0000-0000-000000000000';

describe('a default that an administrator sets', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let request: ReturnType<typeof asAdmin>;

  beforeEach(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    user = await gateway.register();
  });
  afterEach(() => gateway.close());

  const change = (json: object) => request('/limits/default', { method: 'PUT', json });
  const configured = [{ metric: 'tokens', window: 'month', amount: 1_000_000, set_by: 'configuration' }];
  const inForce = async () => (await request('/limits/default')).body.data;
  const shownOf = async ({ id }: TestUser) => {
    const { body } = await request(`/limits?subject_id=${id}`);
    const rows = body.data as { metric: string; window: string | null; amount: number; set_by: string }[];
    return rows
      .map(({ metric, window, amount, set_by }) => [metric, window, amount, set_by].join(' '))
      .toSorted();
  };

  it('is what new users get, in the place of what the configuration says; null as well', async () => {
    expect(await inForce()).toEqual(configured);
    expect(await shownOf(user)).toEqual(['tokens month 1000000 default']);
    for (const json of [
      { metric: 'tokens', window: 'month', amount: 5_000 },
      { metric: 'tokens', window: 'day', amount: 900 },
      { metric: 'concurrent_requests', amount: 3 },
      { metric: 'requests', window: 'minute', amount: null },
    ])
      expect((await change(json)).body).toEqual({ users: json.amount === null ? 0 : 2 });
    expect(await inForce()).toEqual([
      { metric: 'concurrent_requests', window: null, amount: 3, set_by: 'admin' },
      { metric: 'requests', window: 'minute', amount: null, set_by: 'admin' },
      { metric: 'tokens', window: 'day', amount: 900, set_by: 'admin' },
      { metric: 'tokens', window: 'month', amount: 5_000, set_by: 'admin' },
    ]);
    const all = ['concurrent_requests  3 default', 'tokens day 900 default', 'tokens month 5000 default'];
    expect(await shownOf(await gateway.register())).toEqual(all);
    expect(await shownOf(user)).toEqual(all);
    const own = (token_limit: number) =>
      send(`${gateway.url}/auth/register`, {
        json: { username: `own-${token_limit}`, password: 'seven lamps by the harbour', token_limit },
      });
    expect([(await own(5_001)).body.code, (await own(5_000)).status]).toEqual(['limit_exceeds_cap', 201]);

    await change({ metric: 'tokens', window: 'month', amount: null });
    const invited = (await request('/users', { json: { username: 'ina', token_limit: 7 } }))
      .body as unknown as TestUser;
    expect(await shownOf(invited)).toEqual([
      'concurrent_requests  3 default',
      'tokens day 900 default',
      'tokens month 7 admin',
    ]);
    expect(await shownOf(await gateway.register())).toEqual(all.slice(0, 2));
    const rows = (await auditOf(gateway, EVERYONE)).filter(({ action }) => action === 'limit.put_default');
    expect(rows.map(({ before, after }) => [before?.amount, after?.amount])).toEqual([
      [1_000_000, 5_000],
      [null, 900],
      [null, 3],
      [null, null],
      [5_000, null],
    ]);
  });

  it('waits for whoever has read the one before, and then reaches them', async () => {
    const registering = gateway.dataSource.createQueryRunner();
    await registering.startTransaction();
    const users = gateway.app.get(UsersService, { strict: false });
    const late = await users.insert({ username: 'late', passwordHash: null }, registering.manager);
    const changing = change({ metric: 'tokens', window: 'month', amount: 3_000 });
    await untilLocksAreAwaited(gateway, 1);
    await registering.commitTransaction();
    await registering.release();
    expect((await changing).body).toEqual({ users: 3 });
    expect(await shownOf({ ...user, id: late.id })).toEqual(['tokens month 3000 default']);
  });

  it('misses nobody who registers meanwhile', async () => {
    for (const window of ['hour', 'day', 'week', 'month', 'total']) {
      const coming = Array.from({ length: 6 }, () => gateway.register());
      const [changed] = await Promise.all([change({ metric: 'requests', window, amount: 70 }), ...coming]);
      expect(changed.status).toBe(200);
      const [row] = await gateway.dataSource.query<[{ without: number }]>(
        `SELECT count(*)::integer AS without FROM users u WHERE NOT EXISTS (
           SELECT 1 FROM limits l WHERE l.subject_id = u.id AND l.metric = 'requests' AND l.period = $1
             AND l.set_by = 'default' AND l.amount = 70)`,
        [window],
      );
      expect([window, row.without]).toEqual([window, 0]);
    }
  });
});
