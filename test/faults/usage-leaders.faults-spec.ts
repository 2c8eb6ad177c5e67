import { createDatabase, TestDatabase } from '../support/postgres';
import { FEBRUARY, LAST_YEAR, MONTH, startWithLeaders, TODAY, YEAR } from '../support/usage-leaders';
import { recordInTheMidst, SESSIONS } from '../support/usage-of-many';

describe('reports from the leaders of months and years', () => {
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

  /** Forty users with some of three keys and sessions, from 2025 until today; many have used as much as others. */
  const useAsMany = () =>
    on.sql(
      `INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
         reasoning_tokens)
       SELECT md5('user' || who)::uuid, date '2025-01-01' + (who * 37 + i * 53) % 444,
         CASE i % 4 WHEN 0 THEN '${SESSIONS}' ELSE md5(who || 'key' || i % 4)::uuid END, 'model-' || i % 2, 1,
         (who * i) % 5 * (who % 4), 0, who % 3, 0
       FROM generate_series(1, 40) AS who, generate_series(1, 25) AS i`,
    );

  const RANGES: [string, boolean][] = [
    [MONTH, true],
    ['from=2026-03-01&to=2026-03-19', true],
    [`from=2026-03-01&to=${TODAY}T11:00:00Z`, true],
    [`from=2026-03-01&to=${TODAY}T13:00:00Z`, true],
    ['from=2026-02-28T18:30:00Z&to=2026-03-31T18:30:00Z', true],
    [FEBRUARY, true],
    ['from=2026-01-01&to=2026-01-31', true],
    ['from=2025-12-01&to=2025-12-31', true],
    [LAST_YEAR, true],
    ['from=2025-01-01&to=2025-01-31', true],
    [YEAR, true],
    [`from=2026-01-01&to=${TODAY}`, true],
    ['from=2026-03-01&to=2026-03-18', false],
    ['from=2026-03-01&to=2026-04-01', false],
    ['from=2026-02-28T18:30:01Z&to=2026-03-31', false],
    ['from=2026-02-02&to=2026-02-28', false],
    ['from=2026-02-01&to=2026-03-31', false],
    ['from=2025-01-01&to=2025-06-30', false],
    ['from=2025-01-01&to=2026-01-01', false],
    ['from=2026-02-19&to=2026-03-20T12:00:00Z', true],
    ['from=2025-03-21&to=2026-03-20', true],
    ['from=2026-03-13&to=2026-03-19', false],
    ['from=2024-12-01&to=2024-12-31', false],
    ['from=2026-04-01&to=2026-04-30', false],
  ];

  it('are what they are when all are added up, of whatever range, with ties, on pages within and beyond the leaders', async () => {
    await useAsMany();
    await recordInTheMidst(on.gateway);
    const all = async () => {
      const reports = [];
      for (const [range] of RANGES)
        for (const query of [`${range}&limit=8`, `${range}&limit=100`, `${range}&group_by=key&limit=12`]) {
          const sorted = `${query}&sort=-tokens`;
          reports.push([query, (await on.report(sorted)).totals, (await on.walk(sorted)).all]);
        }
      return reports;
    };
    const before = await all();
    await on.retain();
    expect(await all()).toEqual(before);
    for (const [range, led] of RANGES)
      for (const group of ['user', 'key'])
        expect([range, group, await on.isLed(`${range}&group_by=${group}`)]).toEqual([range, group, led]);
    expect(await on.differences()).toEqual([]);
  });

  it('count what was used since, by leaders and by others', async () => {
    await useAsMany();
    await on.retain();
    await on.use('user1', TODAY, 30);
    await on.use('user2', TODAY, 600);
    await on.use('newcomer', TODAY, 500);
    await on.use('newcomer', '2026-03-21', 400, await on.idOf('a key'));
    expect((await on.first(MONTH)).map(({ user_id }) => user_id).slice(0, 2)).toEqual([
      await on.idOf('newcomer'),
      await on.idOf('user2'),
    ]);
    for (const query of [MONTH, YEAR, `${YEAR}&group_by=key`])
      expect([query, await on.isLed(query)]).toEqual([query, true]);
    await on.expectTheSameWithout([MONTH, YEAR, `${MONTH}&group_by=key`, `${YEAR}&group_by=key`]);
  });

  it('look at those who had used too little for the list before', async () => {
    for (let n = 0; n < 40; n += 1) await on.use(`user${n}`, '2026-03-05', 100 + n);
    await on.retain();
    // Of the list, the last has 120; without the 119 until then the rest of today would be too little for the first page.
    await on.use('user19', TODAY, 18);
    await on.use('user3', TODAY, 30);
    const rows = await on.first(MONTH);
    expect(rows.map(({ total_tokens }) => total_tokens)).toEqual([139, 138, 137, 137, 136]);
    expect(rows.map(({ user_id }) => user_id)).toContain(await on.idOf('user19'));
    expect(await on.isLed(MONTH)).toBe(true);
    await on.expectTheSameWithout([MONTH, YEAR], 3);
  });

  it('are added up of all where hundreds of others may have used as much', async () => {
    for (let n = 0; n < 40; n += 1) await on.use(`user${n}`, '2026-03-05', 100 + n);
    await on.retain();
    const crowd = (count: number) =>
      on.sql(
        `INSERT INTO usage_daily SELECT md5('crowd' || n)::uuid, $2::date, '${SESSIONS}', 'large', 1, 20, 0, 0, 0
         FROM generate_series(1, $1::int) AS n ON CONFLICT DO NOTHING`,
        [count, TODAY],
      );
    await crowd(500);
    expect(await on.isLed(MONTH)).toBe(true);
    await crowd(501);
    expect(await on.isLed(MONTH)).toBe(false);
    await on.expectTheSameWithout([MONTH], 100);
  });

  it('follow a settlement that comes late: all are added up until the lists are made anew', async () => {
    await useAsMany();
    await on.retain();
    const led = async () => [await on.isLed(FEBRUARY), await on.isLed(LAST_YEAR), await on.isLed(YEAR)];
    expect(await led()).toEqual([true, true, true]);
    await on.use('late', '2026-02-10', 10_000);
    await on.use('user7', '2025-06-10', 10_000);
    const late = async () => [
      (await on.first(FEBRUARY))[0]?.user_id,
      (await on.first(LAST_YEAR))[0]?.user_id,
    ];
    const expected = [await on.idOf('late'), await on.idOf('user7')];
    expect([await on.changed(), await late()]).toEqual([2, expected]);
    expect(await led()).toEqual([false, false, false]);
    expect([await on.isLed(MONTH), await on.differences()]).toEqual([true, []]);

    await on.retain();
    expect([await on.changed(), await late(), await on.differences()]).toEqual([0, expected, []]);
    expect(await led()).toEqual([true, true, true]);
    await on.expectTheSameWithout([FEBRUARY, LAST_YEAR, YEAR]);
  });

  it('name nobody whose account is deleted, and still count what was used', async () => {
    const eve = await on.gateway.register('eve');
    await on.sql(
      `INSERT INTO usage_daily SELECT $1, '2026-02-10', id, 'large', 1, 77, 0, 0, 0 FROM api_keys WHERE user_id = $1`,
      [eve.id],
    );
    await on.retain();
    const names = async () => {
      const rows = [...(await on.first(FEBRUARY)), ...(await on.first(`${FEBRUARY}&group_by=key`))];
      return rows.map((row) => [row.user_id, row.username, row.total_tokens]);
    };
    expect(await names()).toEqual([
      [eve.id, 'eve', 77],
      [eve.id, 'eve', 77],
    ]);
    await on.request(`/users/${eve.id}`, { method: 'DELETE' });
    expect(await names()).toEqual([
      [eve.id, null, 77],
      [eve.id, null, 77],
    ]);
    expect(await on.isLed(FEBRUARY)).toBe(true);
    await on.expectTheSameWithout([FEBRUARY, `${FEBRUARY}&group_by=key`]);
  });
});
