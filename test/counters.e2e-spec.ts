import { startGateway, TestGateway, TestUser } from './support/gateway';
import { holdStreams } from './support/held-streams';
import { counterDifferences, untilNothingOpen } from './support/ledger';
import { ledgerLines } from './support/ledger-report';

interface Counter {
  readonly period: string;
  readonly used: number;
  readonly reserved: number;
  readonly previous: number;
  readonly is_current: boolean;
}

describe('the counters of a user', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });
  afterEach(() => {
    gateway.simulator.settings.hung = false;
  });

  const sql = (statement: string, values: unknown[] = []) => gateway.dataSource.query(statement, values);
  const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];
  const BODY = { model: 'opencode-llm', max_tokens: 50 };
  const chat = (body: object) => gateway.post('/v1/chat/completions', user.key, { ...BODY, ...body });
  /** Streams that hold what they reserve until they are released. */
  const hold = (count = 1) => holdStreams(gateway, user, { ...BODY, messages: said({ tokens: 20 }) }, count);
  const counters = async (): Promise<Record<string, Counter>> => {
    const rows: Counter[] = await sql(
      `SELECT period, used::int, reserved::int, previous::int,
         window_start = limit_window_start(period, now(), 'UTC') AS is_current
       FROM limit_windows WHERE subject = 'user' AND subject_id = $1 AND metric = 'tokens' AND model = ''`,
      [user.id],
    );
    return Object.fromEntries(rows.map((row) => [row.period, row]));
  };
  const setLimit = (body: object) =>
    fetch(`${gateway.url}/admin/limits`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ subject: 'user', subject_id: user.id, metric: 'tokens', ...body }),
    });

  it('hold a reservation where there is a limit, and count everywhere', async () => {
    const stream = await hold();
    const during = await counters();
    expect(during['month']?.reserved).toBeGreaterThan(50);
    expect(during['day']?.reserved).toBe(0);
    expect(during['total']?.reserved).toBe(0);
    await stream.release();
    const { day, month, total } = await counters();
    expect(month).toMatchObject({ reserved: 0, is_current: true });
    expect(month?.used).toBeGreaterThan(20);
    expect(day).toMatchObject({ used: month?.used, reserved: 0, is_current: true });
    expect(total).toMatchObject({ used: month?.used, reserved: 0 });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it.each([
    ['one request', 1],
    ['several at once', 5],
  ])('that nothing is reserved in roll when %s settles', async (_, requests) => {
    await sql(
      `UPDATE limit_windows SET window_start = limit_window_start('day', now() - interval '1 day', 'UTC'), used = 77
       WHERE subject_id = $1 AND period = 'day'`,
      [user.id],
    );
    await Promise.all(Array.from({ length: requests }, () => chat({ messages: said({ tokens: 5 }) })));
    await untilNothingOpen(gateway);
    const { day, month } = await counters();
    expect(day).toMatchObject({ used: month?.used, previous: 77, is_current: true });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('do not count in a new window what was admitted in the one before', async () => {
    const stream = await hold();
    await sql(`UPDATE open_requests SET admitted_at = admitted_at - interval '1 day' WHERE user_id = $1`, [
      user.id,
    ]);
    // On the first of a month it was admitted in another month, too.
    await sql(
      `UPDATE limit_windows SET window_start = limit_window_start(period, now() - interval '1 day', 'UTC'),
         used = 77 * (period = 'day')::integer WHERE subject_id = $1 AND period IN ('day', 'month')`,
      [user.id],
    );
    await stream.release();
    const { day } = await counters();
    expect(day).toMatchObject({ used: 0, reserved: 0, is_current: true });
  });

  it('take up what requests under way have reserved when a limit comes', async () => {
    const stream = await hold();
    const before = await counters();
    const set = await setLimit({ window: 'day', amount: 100_000 });
    expect(set.status).toBe(200);
    const during = await counters();
    expect(during['day']?.reserved).toBe(before['month']?.reserved);
    // As hard as if it had been there before: what is under way is not lent out twice.
    await setLimit({ window: 'day', amount: during['day']?.reserved });
    const refused = await chat({ messages: said({ tokens: 1 }) });
    expect(refused.status).toBe(429);
    await stream.release();
    const { day, month } = await counters();
    expect(day).toMatchObject({ used: month?.used, reserved: 0 });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('take up what requests under way have reserved when users limit themselves', async () => {
    await sql(`DELETE FROM limits WHERE subject_id = $1`, [user.id]);
    await sql(`UPDATE limit_windows SET reserves = false WHERE subject_id = $1`, [user.id]);
    const stream = await hold();
    expect((await counters())['month']?.reserved).toBe(0);
    const set = await fetch(`${gateway.url}/users/me/token-limit`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${user.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ token_limit: 1_000 }),
    });
    expect(set.status).toBe(200);
    expect((await counters())['month']?.reserved).toBeGreaterThan(50);
    await stream.release();
    expect((await counters())['month']).toMatchObject({ reserved: 0 });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('are not locked where limits of many users are made, whose order is another one', async () => {
    await sql(`DELETE FROM limits WHERE subject_id = $1`, [user.id]);
    const locker = gateway.dataSource.createQueryRunner();
    await locker.connect();
    try {
      await locker.startTransaction();
      await locker.query(
        `SELECT 1 FROM limit_windows WHERE subject_id = $1 AND metric = 'tokens' FOR UPDATE`,
        [user.id],
      );
      const changed = await fetch(`${gateway.url}/admin/limits/default`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ metric: 'tokens', window: 'month', amount: 2_000_000 }),
        // What would wait would wait for the test.
        signal: AbortSignal.timeout(10_000),
      });
      expect(changed.status).toBe(200);
    } finally {
      await locker.rollbackTransaction();
      await locker.release();
    }
  });

  it('take up reservations in a window that was not counted before, too', async () => {
    const stream = await hold();
    await setLimit({ window: 'week', amount: 100_000 });
    const { week, month } = await counters();
    expect(week?.reserved).toBe(month?.reserved);
    await stream.release();
    expect((await counters())['week']).toMatchObject({
      used: (await counters())['month']?.used,
      reserved: 0,
    });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('go on holding when the limit is taken away while a request runs', async () => {
    const stream = await hold();
    await sql(`DELETE FROM limits WHERE subject_id = $1`, [user.id]);
    await stream.release();
    expect((await counters())['month']).toMatchObject({ reserved: 0 });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('roll before a settlement that comes late is counted', async () => {
    await chat({ messages: said({ tokens: 5 }) });
    await untilNothingOpen(gateway);
    await sql(`UPDATE usage_records SET provisional = true WHERE user_id = $1`, [user.id]);
    await sql(
      `UPDATE limit_windows SET window_start = limit_window_start('day', now() - interval '1 day', 'UTC'), used = 77
       WHERE subject_id = $1 AND period = 'day'`,
      [user.id],
    );
    await sql(
      `SELECT settle_late('UTC', request_id, user_id, key_id, endpoint, model, stream, outcome, source, status,
         prompt_tokens + 10, cached_tokens, completion_tokens, reasoning_tokens, NULL, duration_ms, false)
       FROM usage_records WHERE user_id = $1`,
      [user.id],
    );
    const { day, month } = await counters();
    expect(day).toMatchObject({ used: 10, is_current: true });
    // What the test took out of the day is put back, for the tests that compare with the ledger.
    await sql(`UPDATE limit_windows SET used = $2 WHERE subject_id = $1 AND period = 'day'`, [
      user.id,
      month?.used,
    ]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('are locked after the lock of all that count, by the reaper too: no two wait for each other', async () => {
    const stream = await hold();
    const session = gateway.dataSource.createQueryRunner();
    await session.startTransaction();
    await session.query('SELECT pg_advisory_xact_lock(counting_lock())');
    await sql(`UPDATE open_requests SET process_id = gen_random_uuid() WHERE user_id = $1`, [user.id]);
    const reaped = sql(`SELECT reap_requests('UTC', 0, 100)`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const free = await session.query(
      `SELECT request_id FROM open_requests WHERE user_id = $1 FOR UPDATE NOWAIT`,
      [user.id],
    );
    expect(free).toHaveLength(1);
    await session.commitTransaction();
    await session.release();
    await reaped;
    await stream.release();
  });

  it('roll at admission where there is a limit, before anything is reserved in them', async () => {
    await sql(
      `UPDATE limit_windows SET used = 77, window_start = limit_window_start('month', now() - interval '40 days', 'UTC')
       WHERE subject_id = $1 AND period = 'month'`,
      [user.id],
    );
    const stream = await hold();
    const { month } = await counters();
    expect(month).toMatchObject({ used: 0, is_current: true });
    expect(month?.reserved).toBeGreaterThan(50);
    await stream.release();
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('roll together when one of them is ahead of the clock, as after it has been set back', async () => {
    const [key] = await sql(`SELECT id FROM api_keys WHERE user_id = $1`, [user.id]);
    const minute = { window: 'minute', amount: 100_000 };
    await setLimit(minute);
    await setLimit({ ...minute, subject: 'key', subject_id: key.id });
    await sql(
      `UPDATE limit_windows SET window_start = limit_window_end('minute', now() + interval '1 minute', 'UTC')
       WHERE subject_id = $1 AND period = 'minute'`,
      [user.id],
    );
    const stream = await hold();
    const starts = await sql(
      `SELECT DISTINCT w.window_start, o.admitted_at FROM open_requests o JOIN limit_windows w ON w.id = ANY (o.held)
       WHERE o.user_id = $1 AND w.period = 'minute'`,
      [user.id],
    );
    expect(starts).toEqual([{ window_start: starts[0].admitted_at, admitted_at: starts[0].admitted_at }]);
    await stream.release();
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('stay where they are beside one that a clock far ahead has rolled', async () => {
    const [key] = await sql(`SELECT id FROM api_keys WHERE user_id = $1`, [user.id]);
    const day = { window: 'day', amount: 100_000 };
    await setLimit(day);
    await setLimit({ ...day, subject: 'key', subject_id: key.id });
    await sql(
      `UPDATE limit_windows SET window_start = limit_window_end('day', now() + interval '3 days', 'UTC')
       WHERE subject_id = $1 AND period = 'day'`,
      [key.id],
    );
    await chat({ messages: said({ tokens: 5 }) });
    await untilNothingOpen(gateway);
    const [own] = await sql(
      `SELECT used, window_start <= now() AS now FROM limit_windows
       WHERE subject_id = $1 AND metric = 'tokens' AND period = 'day'`,
      [user.id],
    );
    expect(own.now).toBe(true);
    await sql(
      `UPDATE limit_windows SET window_start = limit_window_start('day', now(), 'UTC')
       WHERE subject_id = $1 AND period = 'day'`,
      [key.id],
    );
    expect(await sql(`SELECT 1 FROM usage_records WHERE user_id = $1`, [user.id])).toHaveLength(1);
  });

  it.each([
    ['one request', 1],
    ['several at once', 5],
  ])('cost no record when they have lost the reservations of %s', async (_, requests) => {
    const streams = await hold(requests);
    await sql(`UPDATE limit_windows SET reserved = 0 WHERE subject_id = $1`, [user.id]);
    const lines = (await ledgerLines(gateway)).filter((line) => line.includes(user.username));
    expect(lines).toEqual([expect.stringMatching(/tokens\/month, reserved, /)]);
    await streams.release();
    expect(await sql(`SELECT 1 FROM usage_records WHERE user_id = $1`, [user.id])).toHaveLength(requests);
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});
