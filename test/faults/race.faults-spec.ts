import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../support/conservation/random';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { untilNothingOpen } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { LostTime } from '../support/lost-time';
import { slowness } from '../support/slowness';

const LIMIT = 10_000;
const REQUESTS = 200;
/**
 * What is used at least, also where all requests come before any has ended: each reserves 530 tokens at most then, by
 * the cheap bound of its prompt, so that eighteen are admitted, and uses more than 70.
 */
const LEAST_USED = 18 * 70;
/** Less than this is not worth sending: a short prompt and sixteen tokens. */
const NOT_WORTH_IT = 60;
/** For so long each waits for PostgreSQL, and is refused then; on a slow machine some come to that. In milliseconds. */
const PATIENCE_MS = 3_000;
const TOLD = [200, 402, 429, 503];
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

/** 200 requests at once over three replicas, with three keys and a session of one user, for the last tokens. */
describe('the race for the last tokens', () => {
  let gateway: TestGateway;
  let replicas: TestGateway[];
  let user: TestUser;
  let keys: string[];
  const lost = new LostTime();

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
    await lost.stop();
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

  const limit = (metric = 'tokens', amount = LIMIT) =>
    gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ('user', $1, $2, 'total', $3, 'admin')`,
      [user.id, metric, amount],
    );
  const put = (admin: TestUser, limit: object) =>
    fetch(`${gateway.url}/admin/limits`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(limit),
    });
  const send = (index: number, body: object) => {
    const via = replicas[index % 3] as TestGateway;
    const whole = { model: 'opencode-llm', stream: index % 2 === 0, ...body };
    return index % 4 === 3
      ? via.post('/chat/completions', user.accessToken, whole)
      : via.post('/v1/chat/completions', keys[index % 4] as string, whole);
  };
  const statusOf = async (asked: Promise<Response>) => {
    const askedAt = performance.now();
    const answer = await asked;
    await answer.text();
    // Nobody is refused for that sooner.
    if (answer.status === 503) expect(performance.now() - askedAt).toBeGreaterThan(PATIENCE_MS - 50);
    return answer.status;
  };
  const race = (body: (index: number) => object) =>
    Promise.all(Array.from({ length: REQUESTS }, (_, index) => statusOf(send(index, body(index)))));
  const expectServed = (statuses: number[]) => {
    expect(statuses.filter((status) => ![200, 503].includes(status))).toEqual([]);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(statuses.length / 5);
  };
  /** Reservations are gone within 2 s of quiet; those of admissions that came too late when they are looked for. */
  const untilQuiet = async (statuses: number[]) => {
    const from = Date.now();
    await untilNothingOpen(gateway);
    const to = Date.now();
    const took = to - from - (await lost.between(from, to));
    if (!statuses.includes(503)) expect(took).toBeLessThan(2_000 * slowness());
  };
  const counter = async (subject: 'user' | 'everyone') => {
    const [row] = await gateway.dataSource.query<{ used: string; reserved: string }[]>(
      `SELECT used, reserved FROM limit_windows WHERE subject = $1 AND metric = 'tokens' AND period = 'total'
         AND ($1 = 'everyone' OR subject_id = $2)`,
      [subject, user.id],
    );
    return { used: Number(row?.used), reserved: Number(row?.reserved) };
  };
  const expectClean = async (statuses: number[]) => {
    await untilQuiet(statuses);
    const { used, reserved } = await counter('user');
    expect(reserved).toBe(0);
    expect(used).toBeLessThanOrEqual(LIMIT);
    expect(used).toBeGreaterThan(0);
    expect(statuses.filter((status) => !TOLD.includes(status))).toEqual([]);
    const [row] = await gateway.dataSource.query<{ rows: number }[]>(
      `SELECT count(*)::int AS rows FROM usage_records WHERE user_id = $1 AND outcome <> 'rejected'`,
      [user.id],
    );
    expect(row?.rows).toBe(statuses.filter((status) => status === 200).length);
    // Whoever comes alone may have all that is left.
    await statusOf(send(0, { messages: said({ tokens: LIMIT }), max_tokens: LIMIT }));
    await untilNothingOpen(gateway);
    const { used: all } = await counter('user');
    expect(all).toBeGreaterThan(LIMIT - NOT_WORTH_IT);
    expect(all).toBeLessThanOrEqual(LIMIT);
    expect(await ledgerLines(gateway)).toEqual([]);
    return used;
  };

  it.each(Array.from({ length: 10 }, (_, seed) => seed + 1))(
    'ends without overshoot, seed %i',
    async (seed) => {
      const random = new Random(seed);
      await limit();
      const statuses = await race(() => ({
        messages: said({
          tokens: random.between(50, 150),
          tbtMs: random.of([0, 1, 5]),
          ttftMs: random.of([0, 10, 60]),
        }),
        max_tokens: 100,
      }));
      expect(await expectClean(statuses)).toBeGreaterThan(LEAST_USED);
    },
  );

  it('ends without overshoot when nobody says max_tokens', async () => {
    await limit();
    await expectClean(await race(() => ({ messages: said({ tokens: 300 }) })));
  });

  it('ends without overshoot with three choices each', async () => {
    await limit();
    await expectClean(await race(() => ({ messages: said({ tokens: 60 }), n: 3, max_tokens: 60 })));
  });

  it('ends without overshoot under a limit on everyone, with three users whom nothing else holds', async () => {
    const admin = await gateway.registerAdmin();
    const users = [user, await gateway.register(), await gateway.register()];
    // The limit starts from what everyone has used so far.
    const [past] = await gateway.dataSource.query<{ tokens: string }[]>(
      'SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) AS tokens FROM usage_records',
    );
    const before = Number(past?.tokens);
    const body = { subject: 'everyone', metric: 'tokens', window: 'total', amount: before + LIMIT };
    expect((await put(admin, body)).status).toBe(200);
    const statuses = await Promise.all(
      Array.from({ length: REQUESTS }, (_, index) => {
        // Every user at every replica.
        const via = replicas[index % 3] as TestGateway;
        const { key } = users[Math.floor(index / 3) % 3] as TestUser;
        const body = {
          model: 'opencode-llm',
          stream: index % 2 === 0,
          messages: said({ tokens: 100 }),
          max_tokens: 100,
        };
        return statusOf(via.post('/v1/chat/completions', key, body));
      }),
    );
    await untilQuiet(statuses);
    const { used, reserved } = await counter('everyone');
    expect(reserved).toBe(0);
    expect(used).toBeLessThanOrEqual(before + LIMIT);
    expect(used).toBeGreaterThan(before + LEAST_USED);
    expect(statuses.filter((status) => !TOLD.includes(status))).toEqual([]);
    const served = await gateway.dataSource.query<{ tokens: string }[]>(
      `SELECT sum(prompt_tokens + completion_tokens) AS tokens FROM usage_records WHERE user_id = ANY($1)
       GROUP BY user_id HAVING sum(prompt_tokens + completion_tokens) > 0`,
      [users.map(({ id }) => id)],
    );
    expect(served).toHaveLength(3);
    expect(served.reduce((sum, { tokens }) => sum + Number(tokens), 0)).toBe(used - before);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('never has more under way than a limit on concurrent requests allows', async () => {
    await limit('concurrent_requests', 5);
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
    await untilQuiet(statuses);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('counts every request once in limits that are made while requests run', async () => {
    const admin = await gateway.registerAdmin();
    const amount = 1_000_000_000;
    const running = race(() => ({ messages: said({ tokens: 20, tbtMs: 2 }), max_tokens: 20 }));
    const statuses: number[] = [];
    for (const window of ['hour', 'week', 'day', 'total']) {
      for (const metric of ['requests', 'tokens']) {
        await sleep(40);
        const own = { subject: 'user', subject_id: user.id, metric, window, amount };
        statuses.push(await statusOf(put(admin, own)));
        statuses.push(await statusOf(put(admin, { subject: 'everyone', metric, window, amount })));
      }
    }
    expectServed(statuses);
    const answered = await running;
    expectServed(answered);
    await untilQuiet(answered);
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
    await limit('tokens', 1_000_000);
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
    expectServed(statuses);
    await untilQuiet(statuses);
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
