import { REPORTS_AT_A_TIME, ReportStatements } from '../../src/database/report-statements';
import { asAdmin } from '../support/administration';
import { startGateway, TestGateway } from '../support/gateway';
import { Answer, Sent } from '../support/send';
import { idOf, recordInTheMidst, SESSIONS, usageOfMany, UsageRow, useAsMany } from '../support/usage-of-many';

const USERS = 400;
const MANY = 4_000;
/** Longer than a report waits for its turn. */
const LONG_S = 14;
const ALL = 'from=2026-03-01&to=2026-05-31';

// Names that other collations than that of bytes sort otherwise, and some that differ only behind the hundredth character.
const PEOPLE = `
  INSERT INTO users (id, username, username_key, deleted_at)
  SELECT md5('user' || who)::uuid, name, name, CASE WHEN is_deleted THEN now() END
  FROM (
    SELECT who, who % 40 = 3 AS is_deleted, CASE WHEN who % 40 = 3 THEN 'deleted-' || who ELSE
      (ARRAY['user', 'ä', '😀', '﨎', repeat('l', 110), '_', '-', 'z'])[1 + who % 8] || who END AS name
    FROM generate_series($1::int, $2::int) AS who
  ) people`;
const KEYS = `
  INSERT INTO api_keys (id, user_id, name, prefix, last_four, key_hash, revoked_at)
  SELECT md5(who || 'key' || n)::uuid, md5('user' || who)::uuid,
    CASE WHEN who % 40 = 3 THEN 'deleted' ELSE (ARRAY['laptop', 'Zed ' || who % 10, 'é' || who])[n] END, 'llmg', 'last',
    sha256((who || 'key' || n)::bytea), CASE WHEN who % 40 = 3 OR who % 11 = 0 THEN now() END
  FROM generate_series($1::int, $2::int) AS who, generate_series(1, 3) AS n`;
// In the midst of the others.
const IDLE = `
  WITH idle AS (
    INSERT INTO users (id, username, username_key)
    SELECT gen_random_uuid(), 'm' || n, 'm' || n FROM generate_series(1, $1::int) AS n RETURNING id, username
  )
  INSERT INTO api_keys (id, user_id, name, prefix, last_four, key_hash)
  SELECT gen_random_uuid(), id, 'm', 'llmg', 'last', sha256(username::bytea) FROM idle`;

const nameOf = ({ key_id, key_name, username }: UsageRow): string =>
  (key_id === undefined ? username : key_name) ?? '';
const bytes = (name: string) => Buffer.from([...name].slice(0, 100).join(''));
const byName = (a: UsageRow, b: UsageRow): number =>
  Buffer.compare(bytes(nameOf(a)), bytes(nameOf(b))) || (idOf(a) < idOf(b) ? -1 : 1);

describe('reports of all users in the order of names', () => {
  let gateway: TestGateway;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  let { report, walk, readBy, settle } = {} as ReturnType<typeof usageOfMany>;

  const make = async (low: number, high: number) => {
    await gateway.dataSource.query(PEOPLE, [low, high]);
    await gateway.dataSource.query(KEYS, [low, high]);
    await useAsMany(gateway, low, high);
  };
  const known = async (query: string) => (await walk(`${query}&limit=100&sort=-tokens`)).all.toSorted(byName);

  beforeAll(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    ({ report, walk, readBy, settle } = usageOfMany(gateway, request));
    await make(1, USERS);
    await recordInTheMidst(gateway);
    await settle();
  });
  afterAll(() => gateway.close());

  const RANGES = [
    ALL,
    'from=2026-04-01&to=2026-04-01',
    'from=2026-03-10T13:00:00Z&to=2026-04-20T11:00:00Z',
    'from=2026-03-10T11:00:00Z&to=2026-03-10T13:00:00Z',
  ];
  const FILTERS = [
    '',
    '&model=model-1',
    '&model=rare',
    `&key_id=${SESSIONS}`,
    `&key_id=${SESSIONS}&model=rare`,
  ];

  it.each(['user', 'key'].flatMap((group) => RANGES.map((range) => [group, range])))(
    'are what the other orders are, by %s: %s',
    async (group, range) => {
      for (const filter of FILTERS) {
        const query = `${range}${filter}&group_by=${group}`;
        const rows = await known(query);
        if (!filter.includes('rare')) expect([query, rows.length > 0]).toEqual([query, true]);
        for (const limit of [7, 100])
          expect([query, (await walk(`${query}&sort=name&limit=${limit}`)).all]).toEqual([query, rows]);
        expect((await walk(`${query}&sort=-name&limit=30`)).all).toEqual(rows.toReversed());
        const csv = await request(`/usage?${query}&sort=name&format=csv`);
        expect(
          csv.text
            .split('\r\n')
            .slice(1, -1)
            .map((line) => line.slice(0, 36)),
        ).toEqual(rows.map(({ user_id }) => user_id));
      }
    },
  );

  it('still have deleted accounts, before all names, and revoked keys', async () => {
    const [first] = (await report(`${ALL}&sort=name&limit=1`)).data;
    expect(first?.username).toBeNull();
    const keys = (await walk(`${ALL}&group_by=key&sort=name&limit=100`)).all;
    const [{ revoked }] = await gateway.dataSource.query<[{ revoked: number }]>(
      `SELECT count(*)::int AS revoked FROM api_keys k WHERE revoked_at IS NOT NULL
         AND EXISTS (SELECT 1 FROM usage_daily d WHERE d.user_id = k.user_id AND d.key_id = k.id)`,
    );
    const revokedIds = await gateway.dataSource.query<{ id: string }[]>(
      'SELECT id FROM api_keys WHERE revoked_at IS NOT NULL',
    );
    const isRevoked = new Set(revokedIds.map(({ id }) => id));
    expect(revoked).toBeGreaterThan(10);
    expect(keys.filter(({ key_id }) => isRevoked.has(key_id ?? ''))).toHaveLength(revoked);
  });

  it('go from sessions, which have no name, to keys and back where a page ends', async () => {
    const query = 'from=2026-04-01&to=2026-04-01&group_by=key';
    const rows = await known(query);
    const sessions = rows.filter(({ key_id }) => key_id === null).length;
    expect([sessions > 0, rows.length > sessions]).toEqual([true, true]);
    for (const [sort, limit, all] of [
      ['name', sessions, rows],
      ['-name', rows.length - sessions, rows.toReversed()],
    ] as const) {
      const walked = await walk(`${query}&sort=${sort}&limit=${limit}`);
      expect([walked.all, walked.lengths[0]]).toEqual([all, limit]);
    }
    const only = await walk(`${query}&key_id=${SESSIONS}&sort=name&limit=${sessions}`);
    expect([only.all, only.lengths]).toEqual([rows.slice(0, sessions), [sessions]]);
  });

  it('have full pages among thousands of names that used nothing, when little was used', async () => {
    await gateway.dataSource.query(IDLE, [6_000]);
    await settle();
    for (const group of ['user', 'key']) {
      const query = `${ALL}&group_by=${group}`;
      const { all, lengths } = await walk(`${query}&sort=name&limit=50`);
      expect(all).toEqual(await known(query));
      expect(lengths.slice(0, -1).every((length) => length === 50)).toBe(true);
    }
  });

  it('look at a part of the names for a page, however many users there are and used nothing', async () => {
    const first = ['', '&group_by=key', '&model=rare', '&group_by=key&model=rare'].map(
      (more) => `${ALL}${more}&sort=name`,
    );
    const before: number[] = [];
    for (const query of first) before.push(await readBy(query));
    await make(USERS + 1, MANY);
    await settle();
    for (const [index, query] of first.entries()) {
      const [small, large] = [before[index] ?? 0, await readBy(query)];
      // What is rare is looked for under 2,000 names at most, a few pages of the database each. PostgreSQL may read what
      // sessions used by another index when there is more of it: a few thousand pages, and not those of all names.
      const most = 2 * small + (query.includes('rare') ? 30_000 : 4_000);
      expect({ query, small, large, isFlat: large < most }).toMatchObject({ query, isFlat: true });
    }
    for (const group of ['user', 'key']) {
      const query = `${ALL}&group_by=${group}`;
      const { all, lengths } = await walk(`${query}&sort=name&limit=100`);
      expect(all).toEqual(await known(query));
      // 6,000 names in a row, of which a page looks at 2,000.
      expect(lengths.filter((length) => length === 0)).toHaveLength(2);
    }
  });

  it('have the totals of all pages, whatever the page', async () => {
    for (const filter of FILTERS) {
      const { totals } = await report(`${ALL}${filter}&sort=-tokens`);
      for (const group of ['user', 'key'])
        for (const sort of ['name', '-name'])
          expect((await report(`${ALL}${filter}&group_by=${group}&sort=${sort}&limit=2`)).totals).toEqual(
            totals,
          );
    }
  });

  it('as a file wait for their turn behind reports that take long, where a page is told to come again', async () => {
    // More than a part.
    await make(MANY + 1, MANY + 1_100);
    const query = `/usage?${ALL}&sort=name&format=csv`;
    const whole = await request(query);
    const statements = gateway.app.get(ReportStatements, { strict: false });
    const each = statements.each.bind(statements);
    const others: Promise<unknown>[] = [];
    let inParts = 0;
    const spy = jest.spyOn(statements, 'each').mockImplementation(async (...asked) => {
      inParts += 1;
      if (inParts === 2) {
        for (let n = 0; n < REPORTS_AT_A_TIME; n += 1)
          others.push(each(`SELECT pg_sleep(${LONG_S})`, [], () => undefined));
        others.push(request(`/usage?${ALL}`));
      }
      await each(...asked);
    });
    const started = performance.now();
    const file = await request(query);
    spy.mockRestore();
    expect(file.text).toBe(whole.text);
    expect(performance.now() - started).toBeGreaterThan(LONG_S * 1_000 - 1);
    expect((await Promise.all(others)).at(-1)).toMatchObject({ status: 503, body: { code: 'busy' } });
    expect((await request(`/usage?${ALL}`)).status).toBe(200);
  });
});
