import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../support/conservation/random';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { untilNothingOpen } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';

const LIMIT = 10_000;
const REQUESTS = 200;
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

/** 200 requests at once over three replicas, with three keys and a session of one user, for the last tokens. */
describe('the race for the last tokens', () => {
  let gateway: TestGateway;
  let replicas: TestGateway[];
  let user: TestUser;
  let keys: string[];

  beforeAll(async () => {
    const settings = { DEFAULT_TOKEN_LIMIT: '-1' };
    gateway = await startGateway({
      settings,
      simulator: { models: [{ id: 'served', maxModelLen: 32_768 }] },
    });
    replicas = [
      gateway,
      await startGateway({ replicaOf: gateway, settings }),
      await startGateway({ replicaOf: gateway, settings }),
    ];
  });
  afterAll(async () => {
    for (const replica of replicas.toReversed()) await replica.close();
  });
  beforeEach(async () => {
    user = await gateway.register();
    keys = [user.key];
    for (const name of ['two', 'three']) {
      const made = await gateway.post('/users/me/api-keys', user.accessToken, { name });
      keys.push(((await made.json()) as { key: string }).key);
    }
  });
  afterEach(() => gateway.dataSource.query(`DELETE FROM limits WHERE subject = 'everyone'`));

  const limit = (subject: 'user' | 'everyone', metric = 'tokens', amount = LIMIT) =>
    gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ($1, $2, $3, 'total', $4, 'admin')`,
      [subject, subject === 'user' ? user.id : '00000000-0000-0000-0000-000000000000', metric, amount],
    );
  const send = (index: number, body: object) => {
    const via = replicas[index % 3] as TestGateway;
    const whole = { model: 'opencode-llm', stream: index % 2 === 0, ...body };
    return index % 4 === 3
      ? via.post('/chat/completions', user.accessToken, whole)
      : via.post('/v1/chat/completions', keys[index % 4] as string, whole);
  };
  const race = (body: (index: number) => object) =>
    Promise.all(
      Array.from({ length: REQUESTS }, async (_, index) => {
        const answer = await send(index, body(index));
        await answer.text();
        return answer.status;
      }),
    );
  const counter = async (subject: 'user' | 'everyone') => {
    const [row] = await gateway.dataSource.query<{ used: string; reserved: string }[]>(
      `SELECT used, reserved FROM limit_windows WHERE subject = $1 AND metric = 'tokens' AND period = 'total'
         AND ($1 = 'everyone' OR subject_id = $2)`,
      [subject, user.id],
    );
    return { used: Number(row?.used), reserved: Number(row?.reserved) };
  };
  const expectClean = async (statuses: number[], subject: 'user' | 'everyone' = 'user') => {
    // Reservations are gone within 2 s of quiet.
    await untilNothingOpen(gateway, 2_000);
    const { used, reserved } = await counter(subject);
    expect(reserved).toBe(0);
    expect(used).toBeLessThanOrEqual(LIMIT);
    expect(used).toBeGreaterThan(0);
    expect(statuses.filter((status) => ![200, 402, 429].includes(status))).toEqual([]);
    const [row] = await gateway.dataSource.query<{ rows: number }[]>(
      'SELECT count(*)::int AS rows FROM usage_records WHERE user_id = $1',
      [user.id],
    );
    expect(row?.rows).toBe(statuses.filter((status) => status === 200).length);
    expect(await ledgerLines(gateway)).toEqual([]);
    return used;
  };

  it.each(Array.from({ length: 10 }, (_, seed) => seed + 1))(
    'ends without overshoot, seed %i',
    async (seed) => {
      const random = new Random(seed);
      await limit('user');
      const statuses = await race(() => ({
        messages: said({
          tokens: random.between(50, 150),
          tbtMs: random.of([0, 1, 5]),
          ttftMs: random.of([0, 10, 60]),
        }),
        max_tokens: 100,
      }));
      expect(await expectClean(statuses)).toBeGreaterThan(LIMIT / 2);
    },
  );

  it('ends without overshoot when nobody says max_tokens', async () => {
    await limit('user');
    await expectClean(await race(() => ({ messages: said({ tokens: 300 }) })));
  });

  it('ends without overshoot with three choices each', async () => {
    await limit('user');
    await expectClean(await race(() => ({ messages: said({ tokens: 60 }), n: 3, max_tokens: 60 })));
  });

  it('ends without overshoot under a limit on everyone', async () => {
    await gateway.dataSource.query(`DELETE FROM limit_windows WHERE subject = 'everyone'`);
    await limit('everyone');
    // The limit is new and starts from 0 here, since no counter was there: other users' past use is not in it.
    const statuses = await race(() => ({ messages: said({ tokens: 100 }), max_tokens: 100 }));
    await untilNothingOpen(gateway, 2_000);
    const { used, reserved } = await counter('everyone');
    expect(reserved).toBe(0);
    expect(used).toBeLessThanOrEqual(LIMIT);
    expect(used).toBeGreaterThan(LIMIT / 2);
    expect(statuses.filter((status) => ![200, 402, 429].includes(status))).toEqual([]);
    await gateway.dataSource.query(`DELETE FROM limit_windows WHERE subject = 'everyone'`);
  });

  it('never has more under way than a limit on concurrent requests allows', async () => {
    await limit('user', 'concurrent_requests', 5);
    let most = 0;
    const during = new AbortController();
    const watching = (async () => {
      while (!during.signal.aborted) {
        const [row] = await gateway.dataSource.query<{ open: number }[]>(
          'SELECT count(*)::int AS open FROM open_requests',
        );
        most = Math.max(most, row?.open ?? 0);
        await sleep(5);
      }
    })();
    const statuses = await race(() => ({ messages: said({ tokens: 20, tbtMs: 5 }), max_tokens: 20 }));
    during.abort();
    await watching;
    expect(most).toBe(5);
    expect(gateway.simulator.journal.unfinished).toBe(0);
    expect(statuses).toContain(429);
    await untilNothingOpen(gateway, 2_000);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('counts every request once in limits that are made while requests run', async () => {
    const admin = await gateway.registerAdmin();
    const put = (fields: object) =>
      fetch(`${gateway.url}/admin/limits`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ amount: 1_000_000_000, ...fields }),
      });
    const running = race(() => ({ messages: said({ tokens: 20, tbtMs: 2 }), max_tokens: 20 }));
    const statuses: number[] = [];
    for (const window of ['hour', 'week', 'day', 'total']) {
      for (const metric of ['requests', 'tokens']) {
        await sleep(40);
        statuses.push((await put({ subject: 'user', subject_id: user.id, metric, window })).status);
        statuses.push((await put({ subject: 'everyone', metric, window })).status);
      }
    }
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(new Set(await running)).toEqual(new Set([200]));
    await untilNothingOpen(gateway, 2_000);
    const lines = await ledgerLines(gateway);
    expect(lines.filter((line) => line.includes(user.id) || line.includes('everyone'))).toEqual([]);
  });

  /** For this user's minutes and open requests: the next admission rolls the window. */
  const anHourPasses = () =>
    gateway.dataSource.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock(counting_lock())');
      await manager.query(
        `UPDATE open_requests SET admitted_at = admitted_at - interval '1 hour' WHERE user_id = $1`,
        [user.id],
      );
      await manager.query(
        `UPDATE limit_windows SET window_start = window_start - interval '1 hour' WHERE subject_id = $1 AND period = 'minute'`,
        [user.id],
      );
    });

  it('keeps its books while windows roll over and a long report runs beside it', async () => {
    await limit('user', 'tokens', 1_000_000);
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ('user', $1, 'tokens', 'minute', 1000000, 'admin')`,
      [user.id],
    );
    const during = new AbortController();
    const rolling = (async () => {
      while (!during.signal.aborted) {
        await anHourPasses();
        await sleep(3);
      }
    })();
    const report = gateway.dataSource.transaction(async (manager) => {
      await manager.query(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`);
      await manager.query(`SELECT sum(prompt_tokens) FROM usage_records`);
      await manager.query(`SELECT pg_sleep(2)`);
      return manager.query(`SELECT sum(used) FROM limit_windows`);
    });
    const statuses = await race(() => ({ messages: said({ tokens: 20, tbtMs: 1 }), max_tokens: 20 }));
    during.abort();
    await Promise.all([rolling, report]);
    expect(new Set(statuses)).toEqual(new Set([200]));
    await untilNothingOpen(gateway, 2_000);
    const [row] = await gateway.dataSource.query<
      { used: string; reserved: string; ledger: string; least: string }[]
    >(
      `SELECT w.used, w.reserved, (SELECT sum(prompt_tokens + completion_tokens) FROM usage_records WHERE user_id = $1) AS ledger,
         (SELECT min(reserved) FROM limit_windows WHERE subject_id = $1) AS least
       FROM limit_windows w WHERE subject_id = $1 AND metric = 'tokens' AND period = 'total'`,
      [user.id],
    );
    expect(row).toMatchObject({ used: row?.ledger, reserved: '0', least: '0' });
  });
});
