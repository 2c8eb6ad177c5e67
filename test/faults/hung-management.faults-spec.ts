import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { Retention } from '../../src/usage/retention/retention.service';
import { openDatabaseGate } from '../support/database-gate';
import { startGateway } from '../support/gateway';

/** Two connections, of which three break one after the other: none may be missing afterwards. */
const settings = { DATABASE_POOL_SIZE: '2' };
/** PostgreSQL's own patience and a busy machine; a report's is longer, and that of the operating system 15 minutes. */
const BOUND_MS = 30_000;
const REPORT_BOUND_MS = 45_000;
/** Where nothing hangs; one that waits for what does takes 17 s. */
const SOON_MS = 8_000;

/** A gateway that reaches its database through a gate, beside one that has no part in it and can look. */
async function openStand() {
  const watcher = await startGateway({ settings });
  const gate = await openDatabaseGate(watcher.env.DATABASE_URL as string);
  const gateway = await startGateway({
    settings: { ...settings, DATABASE_URL: gate.url },
    replicaOf: watcher,
  });
  const [admin, other] = [await gateway.registerAdmin(), await gateway.register()];
  const me = (user = admin) => gateway.get('/users/me', user.accessToken);
  // From here on this process knows the sessions, and asks for something else.
  for (const user of [admin, other]) await me(user);
  return {
    watcher,
    gate,
    gateway,
    admin,
    other,
    me,
    newKey: (user = admin) => gateway.post('/users/me/api-keys', user.accessToken, { name: 'laptop' }),
    report: () => gateway.get('/admin/usage', admin.accessToken),
    pool: (gateway.dataSource.driver as unknown as { master: Pool }).master,
    close: async () => {
      // Those that hang are closed with the gate, or PostgreSQL would be waited for until the end.
      await Promise.all([gateway.close(), sleep(200).then(() => gate.close())]);
      await watcher.close();
    },
  };
}
type Stand = Awaited<ReturnType<typeof openStand>>;

const timed = async (answer: Promise<Response>) => {
  const askedAt = performance.now();
  const { status, headers } = await answer;
  return { status, headers, ms: performance.now() - askedAt };
};
const expectRefusedWithin = ({ status, headers, ms }: Awaited<ReturnType<typeof timed>>, boundMs: number) => {
  expect([status, headers.get('content-type')]).toEqual([503, 'application/problem+json']);
  expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(ms).toBeLessThan(boundMs);
};

/** As a firewall does it that has forgotten a connection: no error, no end, only silence on this one. */
describe('a connection to PostgreSQL hangs for good under management', () => {
  // They wait for most of a minute, and so at the same time, each with a stand of its own.
  const stands: Stand[] = [];
  let taken = 0;
  const takeStand = () => stands[taken++] as Stand;

  beforeAll(async () => {
    while (stands.length < 4) stands.push(await openStand());
  });
  afterAll(() => Promise.all(stands.map((stand) => stand.close())));

  it.concurrent.each<[string, RegExp, 'me' | 'newKey', number]>([
    ['a look at an account', /FROM users u WHERE u\.id/, 'me', 200],
    ['a change, in the middle of its transaction', /INSERT INTO "?api_keys/, 'newKey', 201],
  ])('%s: 503 within the bound, and others are served with a whole pool', async (_, text, what, status) => {
    const { watcher, gate, pool, admin, other, [what]: ask } = takeStand();
    for (let time = 1; time <= 3; time += 1) {
      gate.hangNextThatSends(text);
      const refused = timed(ask());
      while (gate.hanging < time) await sleep(10);
      // Somebody else: what hangs in a transaction keeps its locks for as long.
      const beside = await timed(ask(other));
      expect([beside.status, beside.ms < SOON_MS]).toEqual([status, true]);
      expectRefusedWithin(await refused, BOUND_MS);
      // Both connections of the pool at once, and neither is the one that hangs.
      const after = await Promise.all([timed(ask()), timed(ask(other)), timed(ask(other))]);
      expect(after.map((answer) => [answer.status, answer.ms < SOON_MS])).toEqual(
        after.map(() => [status, true]),
      );
    }
    expect([gate.hanging, pool.totalCount <= 2, pool.waitingCount]).toEqual([3, true, 0]);
    // What hung in its transaction has left no key and holds no lock: 3 of each 4 were made for the other user.
    if (status === 201) {
      const [row] = await watcher.dataSource.query(
        `SELECT count(*)::int AS keys FROM api_keys WHERE user_id = $1 AND name = 'laptop'`,
        [admin.id],
      );
      expect(row).toEqual({ keys: 3 });
    }
  });

  it.concurrent('a report: 503 within the bound of reports, and the next one is made', async () => {
    const { gate, report } = takeStand();
    gate.hangNextThatSends(/SET LOCAL work_mem/);
    expectRefusedWithin(await timed(report()), REPORT_BOUND_MS);
    expect([(await report()).status, gate.hanging]).toEqual([200, 1]);
  });

  it.concurrent('but the closing of days may wait for longer, and is not cut off', async () => {
    const { watcher, gateway } = takeStand();
    const retention = gateway.app.get(Retention, { strict: false });
    // Its own first one may still be under way.
    while (!(await retention.run())) await sleep(10);
    const day = '2026-01-02';
    await watcher.dataSource.query('INSERT INTO usage_days_changed (day) VALUES ($1)', [day]);
    const holder = watcher.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('LOCK TABLE usage_totals IN ACCESS EXCLUSIVE MODE');
    const done = retention.run();
    // Far shorter than the 15 s after which PostgreSQL ends a transaction that does nothing, and longer in all.
    for (let waited = 0; waited < 20_000; waited += 5_000) {
      await sleep(5_000);
      await holder.query('SELECT 1');
    }
    await holder.commitTransaction();
    await holder.release();
    expect(await done).toBe(true);
    expect(await watcher.dataSource.query('SELECT day FROM usage_days_changed')).toEqual([]);
  });
});

describe('the connections to PostgreSQL break under management', () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await openStand();
  });
  afterAll(() => stand.close());

  it('a report whose connection breaks under it: 503, and the process lives', async () => {
    const { watcher, gate, report } = stand;
    const holder = watcher.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('LOCK TABLE usage_daily IN ACCESS EXCLUSIVE MODE');
    const refused = timed(report());
    await sleep(1_000);
    gate.shut();
    expectRefusedWithin(await refused, SOON_MS);
    gate.open();
    await holder.rollbackTransaction();
    await holder.release();
    expect((await report()).status).toBe(200);
  });

  it('no connection at all: 503 as well', async () => {
    const { gate, me, newKey, report } = stand;
    gate.shut();
    for (const ask of [me, newKey, report]) expectRefusedWithin(await timed(ask()), SOON_MS);
    gate.open();
    expect((await me()).status).toBe(200);
  });
});
