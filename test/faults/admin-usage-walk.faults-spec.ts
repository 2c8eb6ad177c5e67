import { asAdmin } from '../support/administration';
import { startGateway, TestGateway } from '../support/gateway';
import { Answer, Sent } from '../support/send';
import { idOf, recordInTheMidst, retain, SESSIONS, usageOfMany, useAsMany } from '../support/usage-of-many';

const USERS = 400;

describe('reports of all users in the order of their ids', () => {
  let gateway: TestGateway;
  let request: (path: string, sent?: Sent) => Promise<Answer>;

  let { report, walk, plansOf, readBy, settle } = {} as ReturnType<typeof usageOfMany>;

  beforeAll(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    ({ report, walk, plansOf, readBy, settle } = usageOfMany(gateway, request));
    await useAsMany(gateway, 1, USERS);
    await recordInTheMidst(gateway);
    await retain(gateway);
  });
  afterAll(() => gateway.close());

  const RANGES = [
    'from=2026-03-01&to=2026-05-31',
    'from=2026-04-01&to=2026-04-01',
    'from=2026-03-10T13:00:00Z&to=2026-04-20T11:00:00Z',
    'from=2026-03-10T11:00:00Z&to=2026-03-10T13:00:00Z',
    'from=2026-03-10T13:00:00Z&to=2026-03-11T11:00:00Z',
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
        const known = (await walk(`${query}&limit=100&sort=-tokens`)).all;
        known.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
        for (const limit of filter ? [7, 100] : [1, 7, 100]) {
          if (limit === 1 && known.length > 200) continue;
          const { all, lengths } = await walk(`${query}&limit=${limit}`);
          expect([query, all]).toEqual([query, known]);
          // Of whole days and without a filter every page is full.
          if (!filter && !range.includes('T'))
            expect([query, lengths.filter((length) => length < limit).length < 2]).toEqual([query, true]);
        }
        expect((await walk(`${query}&limit=30&sort=-id`)).all).toEqual(known.toReversed());
        const csv = await request(`/usage?${query}&format=csv`);
        expect(csv.text.split('\r\n').map((line) => line.slice(0, 36))).toEqual(
          ['', ...known, ''].map((row, index) =>
            typeof row === 'string'
              ? index === 0
                ? csv.text.slice(0, 36).split('\r\n')[0]
                : ''
              : row.user_id,
          ),
        );
      }
    },
  );

  it('have the totals of all pages, whatever the page', async () => {
    for (const filter of FILTERS) {
      const query = `${RANGES[0]}${filter}`;
      const { totals } = await report(`${query}&sort=-tokens`);
      for (const group of ['user', 'key', 'model', 'day'])
        expect((await report(`${query}&group_by=${group}&limit=2`)).totals).toEqual(totals);
    }
  });

  it('read no more of the database when there are fifty times as many users', async () => {
    const year = 'from=2025-12-01&to=2026-11-30';
    const queries = [RANGES[0], RANGES[1], year].flatMap((range) =>
      ['', '&group_by=key', '&group_by=model', '&group_by=day', '&model=rare'].map(
        (more) => `${range}${more}`,
      ),
    );
    await settle();
    const before: number[] = [];
    for (const query of queries) before.push(await readBy(query));
    await useAsMany(gateway, USERS + 1, 50 * USERS);
    await settle();
    for (const [index, query] of queries.entries()) {
      const [small, large] = [before[index] ?? 0, await readBy(query)];
      // What is rare is looked for among 2,000 users at most, a few pages of the database each.
      const most = 2 * small + (query.includes('rare') ? 10_000 : 500);
      expect({ query, small, large, isFlat: large < most }).toMatchObject({ query, isFlat: true });
    }
  });

  it('read no account as CSV but those of each part, however many there are', async () => {
    await gateway.dataSource.query(
      `INSERT INTO users (id, username, username_key, password_hash)
       SELECT md5('user' || who)::uuid, 'many' || who, 'many' || who, '-'
       FROM generate_series(1, ${50 * USERS}) AS who`,
    );
    await settle();
    for (const group of ['user', 'key']) {
      const plans = JSON.stringify(await plansOf(`${RANGES[0]}&group_by=${group}&format=csv`));
      const scans = [...plans.matchAll(/"Node Type":"([^"]+)"[^{}]*"Relation Name":"users"/g)];
      expect(new Set(scans.map(([, scan]) => scan))).toEqual(new Set(['Index Scan']));
    }
  });
});
