import { Client } from 'pg';
import { rezone } from '../../src/usage/rezone/rezone';
import { untilLocksAreAwaited } from '../support/lock-waiters';
import { createDatabase, TestDatabase } from '../support/postgres';
import { FEBRUARY, LAST_YEAR, MONTH, startWithLeaders, TODAY } from '../support/usage-leaders';
import { SESSIONS, UsageRow } from '../support/usage-of-many';

describe('the lists of leaders of months, years and the last days', () => {
  let database: TestDatabase;
  let on: Awaited<ReturnType<typeof startWithLeaders>>;

  beforeEach(async () => {
    database = await createDatabase();
    on = await startWithLeaders(database);
  });
  afterEach(async () => {
    await on.gateway.close();
    await database.drop();
  });

  it('are of each month and year in which something was used, as far as days are closed', async () => {
    await on.use('ada', '2024-02-29', 5);
    await on.use('ada', '2026-03-01', 5);
    await on.use('ada', '2026-03-19', 5);
    await on.retain();
    const periods = [
      ['2024-01-01', '2025-01-01', '2025-01-01'],
      ['2024-02-01', '2024-03-01', '2024-03-01'],
      ['2026-01-01', '2027-01-01', TODAY],
      ['2026-03-01', '2026-04-01', TODAY],
    ];
    expect((await on.lists()).map((list) => Object.values(list))).toEqual(
      ['key', 'user'].flatMap((kind) => periods.map((period) => [kind, ...period])),
    );
    const lastDays = ['2025-03-21', '2025-12-21', '2026-02-19', '2026-03-14'];
    const ofLastDays = async () => (await on.lastDays()).map((list) => Object.values(list));
    const expected = ['key', 'user'].flatMap((kind) =>
      lastDays.map((first) => [kind, first, '2026-03-21', TODAY]),
    );
    expect(await ofLastDays()).toEqual(expected);
    await on.retain(new Date('2026-04-01T06:30:00Z'));
    // The seven days until then hold nothing.
    expect((await ofLastDays()).slice(3)).toEqual(
      ['2025-04-02', '2026-01-02', '2026-03-03'].map((first) => ['user', first, '2026-04-02', '2026-04-01']),
    );
    expect((await on.lists()).filter(({ kind, until }) => kind === 'user' && until > TODAY)).toMatchObject([
      { first_day: '2026-01-01', until: '2026-04-01' },
      { first_day: '2026-03-01', until: '2026-04-01' },
    ]);
    // After a clock that was ahead.
    await on.retain();
    expect((await on.lists()).map((list) => Object.values(list))).toEqual(
      ['key', 'user'].flatMap((kind) => periods.map((period) => [kind, ...period])),
    );
    expect([await ofLastDays(), await on.differences()]).toEqual([expected, []]);
  });

  it('are not made of a month or year of which a day has changed since it was summed', async () => {
    await on.use('ada', '2026-01-10', 5);
    await on.use('ada', '2026-02-10', 5);
    await on.retain();
    const before = await on.lists();
    await on.sql('DELETE FROM usage_leader_lists');
    await on.use('late', '2026-02-10', 10);
    const session = on.gateway.dataSource.createQueryRunner();
    await on.leaders.keep(session, new AbortController().signal);
    await session.release();
    expect(await on.lists()).toEqual(before.filter(({ end_day }) => end_day === '2026-02-01'));
    await on.retain();
    expect([await on.lists(), await on.differences()]).toEqual([before, []]);
  });

  it('go with the marks of their days, whoever takes those away', async () => {
    await on.use('ada', '2026-01-10', 5);
    await on.use('ada', '2026-02-10', 5);
    await on.retain();
    await on.use('late', '2026-02-10', 10);
    expect(await on.lists()).toHaveLength(6);
    // As a replica of the version before would.
    await on.sql(`DELETE FROM usage_days_changed`);
    expect((await on.lists()).map(({ end_day }) => end_day)).toEqual(['2026-02-01', '2026-02-01']);
  });

  it('are gone when days are closed again that were not closed any more while they were made', async () => {
    await on.use('ada', '2026-02-10', 5);
    await on.sql(`SELECT close_usage_days('-infinity')`);
    await on.sql(
      `INSERT INTO usage_leader_lists (kind, first_day, end_day, until)
       VALUES ('user', '2026-01-01', '2026-02-01', '2026-02-01')`,
    );
    expect(await on.isLed('from=2026-01-01&to=2026-01-31')).toBe(false);
    await on.retain();
    expect((await on.lists()).map(({ end_day }) => end_day)).not.toContain('2026-02-01');
  });

  describe('that take long to make', () => {
    let locker: Client;

    beforeEach(async () => {
      await on.use('ada', '2026-02-10', 5);
      await on.retain();
      await on.sql('DELETE FROM usage_leader_lists');
      locker = new Client({ connectionString: database.url });
      await locker.connect();
      await locker.query('BEGIN; LOCK TABLE usage_leader_lists IN SHARE MODE');
    });
    afterEach(() => locker.end());

    const cancelNext = () =>
      locker.query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`,
      );

    it('do not keep the others from being made, and are not tried again until they reach further', async () => {
      const retained = on.retain();
      await untilLocksAreAwaited(on.gateway, 1);
      await cancelNext();
      await locker.query('ROLLBACK');
      await retained;
      const made = await on.lists();
      expect(made).toHaveLength(3);
      await on.retain();
      expect(await on.lists()).toEqual(made);
      await on.retain(new Date('2026-03-21T06:30:00Z'));
      expect(await on.differences()).toEqual([]);
    });

    it('do not hold up the end of the gateway', async () => {
      const session = on.gateway.dataSource.createQueryRunner();
      const end = new AbortController();
      const kept = on.leaders.keep(session, end.signal);
      await untilLocksAreAwaited(on.gateway, 1);
      end.abort();
      // The lock is still held.
      await kept;
      await session.release();
      await locker.query('ROLLBACK');
      expect(await on.lists()).toEqual([]);
    });
  });

  it('hold everybody in every snapshot while settlements come late and days are summed', async () => {
    for (let n = 0; n < 8; n += 1) await on.use(`user${n}`, `2026-03-0${n + 1}`, n);
    on.leaders.most = 100;
    await on.retain();
    const over = new AbortController();
    const late = (async () => {
      for (let n = 0; n < 800; n += 1) await on.use(`late${n % 80}`, `2026-03-0${1 + (n % 9)}`, n);
    })().finally(() => over.abort());
    const keeping = (async () => {
      while (!over.signal.aborted) await on.retain();
    })();
    while (!over.signal.aborted)
      for (const group of ['user', 'key']) {
        const { data, totals } = await on.report(`${MONTH}&sort=-tokens&limit=100&group_by=${group}`);
        const sum = data.reduce((all: number, { total_tokens }: UsageRow) => all + total_tokens, 0);
        expect(sum).toBe(totals.total_tokens);
        expect(await on.differences()).toEqual([]);
      }
    await late;
    await keeping;
    await on.retain();
    expect([
      (await on.report(`${MONTH}&sort=-tokens&limit=100`)).data.length,
      await on.differences(),
    ]).toEqual([88, []]);
  });

  it('are compared by ledger:check, those on them and those who should be', async () => {
    for (let n = 0; n < 25; n += 1) await on.use(`user${n}`, '2026-02-05', 100 + n);
    await on.retain();
    const id = await on.idOf('user24');
    expect(await on.differences()).toEqual([]);
    await on.sql(
      `UPDATE usage_leaders SET tokens = 130 WHERE user_id = $1 AND kind = 'user' AND first_day = '2026-02-01'`,
      [id],
    );
    await on.sql(
      `DELETE FROM usage_leaders WHERE user_id = $1 AND kind = 'key' AND first_day = '2026-01-01'`,
      [id],
    );
    expect(await on.differences()).toEqual([
      `user nobody (${id}): tokens by key ${SESSIONS}, in the order of all keys, from 2026-01-01 until ${TODAY}: ` +
        'the counter says 0, the ledger says 124',
      `user nobody (${id}): tokens in the order of all users from 2026-02-01 until 2026-03-01: ` +
        'the counter says 130, the ledger says 124',
    ]);
    // What nobody reads is not compared.
    await on.use('late', '2026-02-06', 1);
    expect(await on.differences()).toEqual([]);
  });

  it('are made anew after a change of the time zone', async () => {
    for (const at of ['2026-02-28T20:00:00Z', '2025-12-31T20:00:00Z', '2025-12-31T12:00:00Z'])
      await on.sql(
        `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome, source,
           status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
         VALUES (overlay(uuid_v7_floor($1)::text PLACING '7000-8000-000000000000' FROM 15)::uuid, $1, $1, md5('ada')::uuid,
           'chat_completions', 'large', false, 'completed', 'exact', 200, 10, 0, 0, 0, 5)`,
        [at],
      );
    await on.use('ada', '2026-03-01', 10);
    await on.use('ada', '2026-01-01', 10);
    await on.use('ada', '2025-12-31', 10);
    await on.retain();
    expect(await on.lists()).toHaveLength(10);
    await on.gateway.close();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await rezone(client, 'America/New_York', () => undefined);
    expect((await client.query('SELECT FROM usage_leader_lists')).rowCount).toBe(0);
    expect((await client.query('SELECT FROM usage_leaders')).rowCount).toBe(0);
    await client.end();
    on = await startWithLeaders(database, 'America/New_York');
    expect((await on.lists()).filter(({ kind }) => kind === 'user')).toMatchObject([
      { first_day: '2025-01-01', end_day: '2026-01-01' },
      { first_day: '2025-12-01', end_day: '2026-01-01' },
      { first_day: '2026-01-01', end_day: '2027-01-01' },
      { first_day: '2026-02-01', end_day: '2026-03-01' },
    ]);
    for (const [query, tokens] of [
      [LAST_YEAR, 20],
      [FEBRUARY, 10],
    ] as const) {
      expect([query, (await on.first(query))[0]?.total_tokens, await on.isLed(query)]).toEqual([
        query,
        tokens,
        true,
      ]);
    }
    expect(await on.differences()).toEqual([]);
  });
});
