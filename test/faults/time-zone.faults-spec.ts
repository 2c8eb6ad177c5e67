import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { LimitsTimeZone } from '../../src/usage/limits/limits-time-zone.service';
import { Retention } from '../../src/usage/retention/retention.service';
import { rezone } from '../../src/usage/rezone/rezone';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { recordGeneration } from '../support/generations';
import { untilNothingOpen } from '../support/ledger';
import { createDatabase, TestDatabase } from '../support/postgres';
import { ledgerDifferences } from '../../src/usage/ledger-check/ledger-differences';

const TOKYO = 'Asia/Tokyo';

describe('the time zone of the limits', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(() => database.drop());

  const start = (zone: string) =>
    startGateway({
      settings: { LIMITS_TIME_ZONE: zone, DATABASE_URL: database.url, PROCESS_LEASE_MS: '1000' },
    });
  const chat = async (gateway: TestGateway, user: TestUser) => {
    const messages = [{ role: 'user', content: 'SIM:{"tokens":5}' }];
    await gateway.post('/v1/chat/completions', user.key, { model: 'opencode-llm', messages });
    await untilNothingOpen(gateway);
  };
  const withClient = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const rezoneTo = (zone: string) => withClient((client) => rezone(client, zone, () => undefined));

  it('may be any until something has been counted', async () => {
    await (await start('UTC')).close();
    const gateway = await start(TOKYO);
    expect((await gateway.get('/health/live', '')).status).toBe(200);
    await gateway.close();
  });

  it.each(['Europe/Berlin', 'europe/berlin', 'GMT', 'Zulu'])('may be %s', async (zone) => {
    expect(await rezoneTo(zone)).toBeNull();
  });

  it.each(['IST', 'CET', 'PST', 'ECT', 'US/Pacific-New'])('is not recounted in %s', async (zone) => {
    await expect(rezoneTo(zone)).rejects.toThrow(
      `LIMITS_TIME_ZONE is ${zone}, which PostgreSQL does not know`,
    );
  });

  it('changes with a recount: every counter and every day as if it had always been so', async () => {
    let gateway = await start('UTC');
    const user = await gateway.register();
    await chat(gateway, user);
    // Around the midnights of both zones, and of the months.
    const [key] = await gateway.dataSource.query<{ id: string }[]>(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [user.id],
    );
    for (const hoursAgo of [3, 10, 14, 20, 30, 40, 24 * 35]) {
      await recordGeneration(gateway, {
        userId: user.id,
        keyId: key?.id,
        at: new Date(Date.now() - hoursAgo * 3_600_000),
        prompt: 3,
        completion: 4,
      });
    }
    await gateway.dataSource.query(`UPDATE limit_windows SET used = used + 7 * 7 WHERE period = 'total'`);
    // A limit that was being set when its gateway was killed: nothing has been added to its counter.
    await gateway.dataSource.query(
      `INSERT INTO limit_windows (subject, subject_id, metric, period, window_start, backfill_before)
       VALUES ('user', $1, 'tokens', 'week', limit_window_start('week', now(), 'UTC'), now())`,
      [user.id],
    );
    await gateway.close();
    expect(await rezoneTo(TOKYO)).toBe('UTC');
    const unfinished = await withClient((client) =>
      client.query('SELECT 1 FROM limit_windows WHERE backfill_before IS NOT NULL'),
    );
    expect(unfinished.rows).toEqual([]);
    expect((await withClient((client) => ledgerDifferences(client, TOKYO))).differences).toEqual([]);
    gateway = await start(TOKYO);
    await chat(gateway, user);
    expect((await withClient((client) => ledgerDifferences(client, TOKYO))).differences).toEqual([]);
    await gateway.close();
  });

  it.each([
    ['UTC', 'America/New_York'],
    ['America/New_York', TOKYO],
    [TOKYO, 'UTC'],
  ])('changes from %s to %s beside months that are dropped: their rollups stay', async (from, to) => {
    const gateway = await start(from);
    const user = await gateway.register();
    const today = new Date();
    const monthStart = (offset: number) => Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + offset, 1);
    const hoursAround = [-30, -10, -6, -1, 1, 6, 10, 14, 20, 30];
    // Around the end of the last month that is dropped.
    for (const hours of hoursAround) {
      const at = new Date(monthStart(-13) + hours * 3_600_000);
      await recordGeneration(gateway, { userId: user.id, at, prompt: 3, completion: 4 });
    }
    await gateway.dataSource.query(
      `UPDATE limit_windows SET used = used + 7 * $1 WHERE period = 'total' AND subject = 'user'`,
      [hoursAround.length],
    );
    await gateway.close();
    const again = await start(from);
    while (!(await again.app.get(Retention, { strict: false }).run())) await sleep(10);
    await again.close();
    const check = (zone: string) => withClient((client) => ledgerDifferences(client, zone));
    expect(await check(from)).toMatchObject({ differences: [], records: 6 });
    await rezoneTo(to);
    expect(await check(to)).toMatchObject({ differences: [], records: 6 });
    const sums = 'SELECT sum(requests)::int AS requests FROM usage_daily';
    const { rows } = await withClient((client) => client.query<{ requests: number }>(sums));
    expect(rows[0]?.requests).toBe(hoursAround.length);
  });

  it('loses nothing of a request that arrived in a month that is dropped, and was admitted in the next', async () => {
    const gateway = await start('UTC');
    const user = await gateway.register();
    const today = new Date();
    const firstKept = Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - 13, 1);
    const after = (minutes: number) => new Date(firstKept + minutes * 60_000);
    const generation = { userId: user.id, prompt: 3, completion: 4 };
    await recordGeneration(gateway, { ...generation, at: after(20), arrivedAt: after(-20) });
    for (const hours of [2, 20, 30])
      await recordGeneration(gateway, { ...generation, at: after(hours * 60) });
    await gateway.dataSource.query(
      `UPDATE limit_windows SET used = 7 * 4 WHERE period = 'total' AND subject = 'user'`,
    );
    await gateway.close();
    const again = await start('UTC');
    while (!(await again.app.get(Retention, { strict: false }).run())) await sleep(10);
    await again.close();
    const check = (zone: string) => withClient((client) => ledgerDifferences(client, zone));
    expect(await check('UTC')).toMatchObject({ differences: [], records: 3 });
    for (const zone of [TOKYO, 'UTC', TOKYO]) {
      await rezoneTo(zone);
      expect(await check(zone)).toMatchObject({ differences: [], records: 3 });
    }
    const { rows } = await withClient((client) =>
      client.query<object>('SELECT sum(requests)::int AS requests FROM usage_daily'),
    );
    expect(rows).toEqual([{ requests: 4 }]);
  });

  it('is not changed while a gateway runs', async () => {
    const gateway = await start('UTC');
    const user = await gateway.register();
    await chat(gateway, user);
    await expect(rezoneTo(TOKYO)).rejects.toThrow(/1 gateways run on this database/);
    await gateway.close();
  });

  it('is not the old one for a gateway that starts while it is changed', async () => {
    const gateway = await start('UTC');
    await chat(gateway, await gateway.register());
    await gateway.close();
    const inTheWay = new Client({ connectionString: database.url });
    await inTheWay.connect();
    await inTheWay.query('BEGIN; LOCK TABLE usage_daily IN SHARE MODE');
    const untilWaiting = async (count: number) => {
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      for (let n = 0; n < 100 && (await inTheWay.query(waiting)).rows.length < count; n += 1) await sleep(20);
    };
    const changed = rezoneTo(TOKYO);
    await untilWaiting(1);
    const started = start('UTC').catch((error: unknown) => error);
    await untilWaiting(2);
    await inTheWay.query('COMMIT');
    await inTheWay.end();
    expect(await changed).toBe('UTC');
    const refusal = await started;
    if (!(refusal instanceof Error)) await (refusal as TestGateway).close();
    expect(String(refusal)).toMatch(/LIMITS_TIME_ZONE is UTC, but .* counted in Asia\/Tokyo/);
  });

  it('is looked at once more when a change can see the process that starts', async () => {
    const gateway = await start('UTC');
    await chat(gateway, await gateway.register());
    await withClient((client) => client.query('UPDATE settings SET value = $1', [TOKYO]));
    const zone = gateway.app.get(LimitsTimeZone, { strict: false });
    await expect(zone.onApplicationBootstrap()).rejects.toThrow('counted in Asia/Tokyo');
    await gateway.close();
  });

  it.each(['America/Havana', 'America/Nuuk', 'Atlantic/Azores', 'Europe/Berlin', 'Asia/Beirut', 'UTC'])(
    'has a window around every half hour of a year, each beginning where the last one ends: %s',
    async (zone) => {
      const wrong = await withClient(async (client) => {
        const { rows } = await client.query<object>(
          `SELECT period, at, "start", "end" FROM (
             SELECT period, at, limit_window_start(period, at, $1) AS "start", limit_window_end(period, at, $1) AS "end"
             FROM unnest(ARRAY['minute', 'hour', 'day', 'week', 'month']) AS period,
               generate_series('2026-01-01Z'::timestamptz, '2027-01-01Z', interval '30 minutes') AS at
           ) w
           WHERE NOT ("start" <= at AND at < "end" AND limit_window_start(period, "end", $1) = "end"
             AND limit_window_end(period, "start" - interval '1 microsecond', $1) = "start") LIMIT 3`,
          [zone],
        );
        return rows;
      });
      expect(wrong).toEqual([]);
    },
  );

  it.each([
    ['2026-11-01', '2026-11-01', [14]],
    ['2026-11-01T04:00:00Z', '2026-11-01', [14]],
    ['2026-11-01T04:15:00Z', '2026-11-01T05:45:00Z', [14]],
    ['2026-10-31', '2026-10-31', [7]],
    ['2026-10-31', '2026-11-01T04:45:00Z', [7, 7]],
  ])('reports the hour between two midnights once, in the new day: %s to %s', async (from, to, days) => {
    const gateway = await start('America/Havana');
    const user = await gateway.register();
    for (const at of ['2026-11-01T03:30:00Z', '2026-11-01T04:30:00Z', '2026-11-01T05:30:00Z'])
      await recordGeneration(gateway, { userId: user.id, at: new Date(at), prompt: 3, completion: 4 });
    const answer = await gateway.get(`/users/usage?from=${from}&to=${to}`, user.accessToken);
    const report = (await answer.json()) as { by_day: { total_tokens: number }[] };
    await gateway.close();
    expect(report.by_day.map((day) => day.total_tokens).filter((tokens) => tokens > 0)).toEqual(days);
  });

  it.each([
    ['Europe/Berlin', '2026-10-24T00:00:00Z', 25],
    ['Europe/Berlin', '2026-03-28T00:00:00Z', 23],
    ['America/New_York', '2026-10-31T00:00:00Z', 25],
    ['America/Havana', '2026-10-31T00:00:00Z', 25],
    // From eleven in the evening to midnight.
    ['America/Nuuk', '2026-03-27T00:00:00Z', 23],
    ['Asia/Kathmandu', '2026-11-01T00:00:00Z', 24],
  ])('has windows without gap or overlap when the clocks change: %s, %s', async (zone, from, hours) => {
    const rows = await withClient(async (client) => {
      const { rows } = await client.query<{ period: string; at: Date; start: Date; end: Date; next: Date }>(
        `SELECT period, at, limit_window_start(period, at, $1) AS start, limit_window_end(period, at, $1) AS end,
           limit_window_start(period, limit_window_end(period, at, $1), $1) AS next
         FROM unnest(ARRAY['minute', 'hour', 'day', 'week', 'month']) AS period,
           generate_series($2::timestamptz, $2::timestamptz + interval '3 days', interval '7 minutes') AS at`,
        [zone, from],
      );
      return rows;
    });
    const wrong = rows.filter(
      ({ at, start, end, next }) => !(start <= at && at < end && next.getTime() === end.getTime()),
    );
    expect(wrong).toEqual([]);
    const lengths = new Set(
      rows
        .filter(({ period }) => period === 'day')
        .map(({ start, end }) => (end.getTime() - start.getTime()) / 3_600_000),
    );
    expect(lengths).toContain(hours);
  });
});
