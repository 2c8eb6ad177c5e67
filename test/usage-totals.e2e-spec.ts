import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidV7 } from 'uuid';
import { Client } from 'pg';
import { SettlementService } from '../src/usage/admission/settlement.service';
import { Retention } from '../src/usage/retention/retention.service';
import { rezone } from '../src/usage/rezone/rezone';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { ledgerLines } from './support/ledger-report';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { createDatabase, TestDatabase } from './support/postgres';
import type { Sent, Answer } from './support/send';

const ZONE = 'Asia/Kolkata';
const DAY_MS = 86_400_000;
const SESSIONS = '00000000-0000-0000-0000-000000000000';
const MODELS = ['small', 'large', 'a%b_c'];

const daysAgo = (days: number, hours = 0) => new Date(Date.now() - days * DAY_MS - hours * 3_600_000);
const dayOf = (at: Date) => at.toISOString().slice(0, 10);

describe('the totals of closed days', () => {
  let database: TestDatabase;
  let gateway: TestGateway;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  let ada: TestUser;
  let keyId: string;

  const sql = <Row>(statement: string, values: unknown[] = []): Promise<Row[]> =>
    gateway.dataSource.query<Row[]>(statement, values);
  /** Waits for its turn: the start of the gateway may be at it still. */
  const retain = async (at?: Date) => {
    while (!(await gateway.app.get(Retention, { strict: false }).run(at))) await sleep(10);
  };
  const open = async (zone = ZONE) => {
    gateway = await startGateway({
      settings: { LIMITS_TIME_ZONE: zone, DATABASE_URL: database.url, USAGE_RETENTION_MONTHS: '3' },
    });
    await retain();
  };
  const record = (days: number, more: Partial<Parameters<typeof recordGeneration>[1]> = {}) =>
    recordGeneration(gateway, {
      userId: ada.id,
      keyId,
      model: 'large',
      at: daysAgo(days),
      prompt: 10,
      completion: 5,
      ...more,
    });
  const settle = (requestId: string, prompt: number) =>
    gateway.app.get(SettlementService, { strict: false }).settle({
      requestId,
      userId: ada.id,
      apiKeyId: keyId,
      endpoint: 'chat_completions',
      model: 'large',
      stream: false,
      outcome: 'completed',
      source: 'exact',
      status: 200,
      usage: { prompt, cached: 1, completion: 2, reasoning: 1 },
      timeToFirstTokenMs: null,
      durationMs: 1,
    });
  const changed = async () =>
    (await sql<{ n: number }>('SELECT count(*)::int AS n FROM usage_days_changed'))[0]?.n;
  /** What ledger:check finds in daily sums and their totals; counters are not what is tested here. */
  const differences = async () => (await ledgerLines(gateway)).filter((line) => / on \d{4}-/.test(line));
  const year = () => `from=${dayOf(daysAgo(350))}&to=${dayOf(daysAgo(-2))}`;
  const report = async (query: string) => {
    const answer = await request(`/usage?${year()}&${query}`);
    expect(answer.status).toBe(200);
    return { totals: answer.body.totals, data: answer.body.data };
  };
  const tokens = async (query = 'group_by=day') =>
    ((await report(query)).totals as { total_tokens: number }).total_tokens;
  const daily = async () =>
    Number(
      (await sql<{ n: string }>('SELECT sum(prompt_tokens + completion_tokens) AS n FROM usage_daily'))[0]?.n,
    );
  const allReports = () => {
    const filters = ['', '&model=small', '&model=a%25b_c', `&key_id=${SESSIONS}`, '&model=none'];
    const queries = ['user', 'key', 'model', 'day'].flatMap((group) =>
      filters.map((filter) => `group_by=${group}${filter}`),
    );
    return Promise.all(queries.map(async (query) => [query, await report(query)]));
  };

  beforeEach(async () => {
    database = await createDatabase();
    await open();
    const admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
    ada = await gateway.register('ada');
    keyId = (await sql<{ id: string }>('SELECT id FROM api_keys WHERE user_id = $1', [ada.id]))[0]?.id ?? '';
  });
  afterEach(async () => {
    await gateway.close();
    await database.drop();
  });

  it('change no report, whatever was used', async () => {
    const bob = await gateway.register('bob');
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let n = 0; n < 250; n += 1) {
      const who =
        random(3) === 0 ? { userId: bob.id, keyId: undefined } : random(2) ? {} : { keyId: undefined };
      const at = daysAgo(random(45), random(24));
      await record(0, { ...who, at, model: MODELS[random(3)], prompt: random(900), completion: random(90) });
    }
    expect(await changed()).toBeGreaterThan(0);
    const before = await allReports();
    await retain();
    expect(await changed()).toBe(0);
    expect(await sql('SELECT 1 FROM usage_totals')).not.toEqual([]);
    expect(await allReports()).toEqual(before);
    expect(await tokens()).toBe(await daily());
    expect(await differences()).toEqual([]);
  });

  it('are what reports by model and day read, instead of everybody’s daily sums; ledger:check compares both', async () => {
    await record(3);
    await record(3, { keyId: undefined, model: 'small' });
    await retain();
    await sql(`UPDATE usage_totals SET prompt_tokens = prompt_tokens + 1000 WHERE with_key`);
    for (const query of ['group_by=day', 'group_by=model', 'group_by=user', 'group_by=key'])
      expect([query, await tokens(query)]).toEqual([query, 1_030]);
    expect(await differences()).toEqual([
      expect.stringMatching(
        /^all users: prompt_tokens of large by keys on \d{4}-\d\d-\d\d: the counter says 1010, the ledger says 10$/,
      ),
    ]);
    await sql(`DELETE FROM usage_totals`);
    expect((await differences()).join('\n')).toMatch(
      /^all users: requests of large by keys on .* says 0, the ledger says 1\n.*\n.*\nall users: requests of small with sessions on/,
    );
  });

  it('are of days that have been over for an hour, and of no day that is not', async () => {
    const [now] = await sql<{ midnight: Date }>(
      `SELECT date_trunc('day', now() + interval '3 days', $1) AS midnight`,
      [ZONE],
    );
    const midnight = now?.midnight.getTime() ?? 0;
    const until = async () =>
      (await sql<{ day: string }>('SELECT closed_until::text AS day FROM usage_retention'))[0]?.day;
    const local = (at: number) => new Date(at).toLocaleDateString('sv', { timeZone: ZONE });
    await retain(new Date(midnight + 3_599_000));
    expect(await until()).toBe(local(midnight - 2 * DAY_MS + 1_000));
    await retain(new Date(midnight + 3_600_000));
    expect(await until()).toBe(local(midnight - DAY_MS + 1_000));
  });

  it('follow a settlement that comes late, and the correction of a provisional record', async () => {
    await record(9);
    const provisional = await record(9);
    await sql('UPDATE usage_records SET provisional = true WHERE request_id = $1', [provisional]);
    await retain();
    expect([await tokens(), await changed()]).toEqual([30, 0]);

    await settle(uuidV7({ msecs: daysAgo(9).getTime() }), 100);
    expect(await changed()).toBe(1);
    expect([await tokens(), await differences()]).toEqual([132, []]);
    await settle(provisional, 1_000);
    expect([await tokens(), await differences()]).toEqual([132 + 1_002 - 15, []]);
    const before = await allReports();

    await retain();
    expect([await changed(), await tokens(), await differences()]).toEqual([0, 1_119, []]);
    expect(await allReports()).toEqual(before);
  });

  it('cost what is settled in time nothing: today leaves no mark', async () => {
    const messages = [{ role: 'user', content: 'SIM:{"tokens":5}' }];
    await gateway.post('/v1/chat/completions', ada.key, { model: 'opencode-llm', messages });
    expect(await daily()).toBeGreaterThan(0);
    expect([await changed(), await tokens()]).toEqual([0, await daily()]);
  });

  it('wait for a settlement that is under way when its day is closed', async () => {
    await sql(`SELECT close_usage_days((now() AT TIME ZONE $1)::date - 20)`, [ZONE]);
    await record(9);
    const settling = new Client({ connectionString: database.url });
    await settling.connect();
    await settling.query('BEGIN');
    await settling.query('UPDATE usage_daily SET prompt_tokens = prompt_tokens + 100');
    await settling.query('UPDATE usage_records SET prompt_tokens = prompt_tokens + 100');
    expect(await changed()).toBe(0);
    const closing = retain();
    await untilLocksAreAwaited(gateway, 1);
    expect(await sql('SELECT 1 FROM usage_totals')).toEqual([]);
    await settling.query('COMMIT');
    await settling.end();
    await closing;
    expect([await changed(), await tokens(), await differences()]).toEqual([0, 115, []]);
  });

  it('know nothing of a late settlement that is committed after its day was summed, and reports know that', async () => {
    await record(9);
    await retain();
    const settling = new Client({ connectionString: database.url });
    await settling.connect();
    await settling.query('BEGIN');
    await settling.query('UPDATE usage_daily SET prompt_tokens = prompt_tokens + 100');
    await settling.query('UPDATE usage_records SET prompt_tokens = prompt_tokens + 100');
    // Somebody else changes the same day, so that it is summed again meanwhile.
    await record(9, { model: 'small' });
    await retain();
    expect([await changed(), await tokens(), await differences()]).toEqual([0, 30, []]);
    await settling.query('COMMIT');
    await settling.end();
    expect([await changed(), await tokens(), await differences()]).toEqual([1, 130, []]);
    await retain();
    expect([await changed(), await tokens(), await differences()]).toEqual([0, 130, []]);
  });

  it('are exact in every snapshot while days are summed and settlements come late', async () => {
    for (let day = 2; day < 12; day += 1) await record(day);
    const over = new AbortController();
    const late = Array.from({ length: 4 }, async (_, lane) => {
      for (let n = 0; n < 60; n += 1)
        await settle(uuidV7({ msecs: daysAgo(2 + ((n + lane) % 10)).getTime() }), n);
    });
    const summing = (async () => {
      while (!over.signal.aborted) await retain();
    })();
    const settled = Promise.all(late).finally(() => over.abort());
    let least = 0;
    while (!over.signal.aborted) {
      expect(await differences()).toEqual([]);
      const now = await tokens();
      expect(now).toBeGreaterThanOrEqual(least);
      least = now;
    }
    await settled;
    await summing;
    expect([await tokens(), await differences()]).toEqual([await daily(), []]);
    await retain();
    expect([await changed(), await tokens(), await differences()]).toEqual([0, await daily(), []]);
  });

  it('outlive the months that are dropped', async () => {
    for (const days of [2, 40, 200, 250]) await record(days);
    const before = await allReports();
    await retain();
    expect(await sql('SELECT 1 FROM usage_records')).toHaveLength(2);
    expect([await changed(), await allReports(), await differences()]).toEqual([0, before, []]);
  });

  it('are right behind a clock that was a month ahead', async () => {
    await record(2);
    gateway.env.USAGE_RETENTION_MONTHS = 0;
    await retain(daysAgo(-31));
    await record(0);
    expect([await changed(), await tokens(), await differences()]).toEqual([1, 30, []]);
    await retain(daysAgo(-31));
    await record(0);
    await retain();
    expect(await sql('SELECT 1 FROM usage_totals')).toHaveLength(1);
    expect([await changed(), await tokens(), await differences()]).toEqual([0, 45, []]);
  });

  it('are added up anew after a change of the time zone', async () => {
    for (const hours of [50, 60, 70, 80, 90, 100, 110]) await record(0, { at: daysAgo(0, hours) });
    await retain();
    await gateway.close();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await rezone(client, 'America/New_York', () => undefined);
    const left = await client.query(
      'SELECT day FROM usage_totals UNION ALL SELECT day FROM usage_days_changed',
    );
    expect(left.rows).toEqual([]);
    await client.end();
    await open('America/New_York');
    const admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
    expect([await changed(), await tokens(), await differences()]).toEqual([0, 105, []]);
    const byDay = (await report('group_by=day')).data as { day: string; requests: number }[];
    expect(byDay.map(({ day, requests }) => [day, requests])).toEqual(
      (
        await sql<{ day: string; n: number }>(
          `SELECT (admitted_at AT TIME ZONE 'America/New_York')::date::text AS day, count(*)::int AS n
           FROM usage_records GROUP BY 1 ORDER BY 1`,
        )
      ).map(({ day, n }) => [day, n]),
    );
  });
});
