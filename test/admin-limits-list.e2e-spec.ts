import { asAdmin } from './support/administration';
import { NOBODYS_ID } from './support/documented-operations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import type { Answer } from './support/send';

type Listed = {
  subject: string;
  metric: string;
  window: string | null;
  model: string | null;
  set_by: string;
};

describe('GET /admin/limits', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let list: (query?: string) => Promise<Answer>;
  const limits = (answer: Answer) => answer.body.data as (Listed & { id: string })[];
  const names = (answer: Answer) =>
    limits(answer).map((row) => [row.set_by, row.subject, row.metric, row.window, row.model].join(' '));

  beforeAll(async () => {
    gateway = await startGateway();
    const request = asAdmin(gateway, await gateway.registerAdmin());
    user = await gateway.register();
    list = (query = '') => request(`/limits${query}`);
    const [key] = await gateway.dataSource.query<[{ id: string }]>(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [user.id],
    );
    for (const json of [
      { subject: 'user', subject_id: user.id, metric: 'requests', window: 'day', amount: 9 },
      { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'day', model: 'm_%', amount: 9 },
      { subject: 'key', subject_id: key.id, metric: 'tokens', window: 'total', amount: 9 },
      { subject: 'key', subject_id: key.id, metric: 'concurrent_requests', amount: 9 },
      { subject: 'everyone', metric: 'tokens', window: 'hour', amount: 9 },
    ]) {
      await request('/limits', { method: 'PUT', json });
    }
  });
  afterAll(() => gateway.close());

  it('shows them newest first', async () => {
    const answer = await list('?set_by=admin');
    expect(names(answer)).toEqual([
      'admin everyone tokens hour ',
      'admin key concurrent_requests  ',
      'admin key tokens total ',
      'admin user tokens day m_%',
      'admin user requests day ',
    ]);
    expect(answer.body.next_cursor).toBeNull();
    expect(names(await list('?set_by=admin&sort=created_at'))).toEqual(names(answer).toReversed());
  });

  it('shows one by its id', async () => {
    const [first] = limits(await list('?set_by=admin'));
    const one = await list(`/${first?.id}`);
    expect([one.status, one.body]).toEqual([200, first]);
    expect((await list(`/${NOBODYS_ID}`)).status).toBe(404);
    expect((await list('/1')).status).toBe(400);
  });

  it.each([
    ['subject=key', ['admin key concurrent_requests  ', 'admin key tokens total ']],
    ['set_by=admin&metric=requests', ['admin user requests day ']],
    ['window=total', ['admin key tokens total ']],
    ['model=m_%25', ['admin user tokens day m_%']],
    ['model=%25', []],
    ['set_by=self', []],
    ['subject=everyone&metric=tokens&window=hour&set_by=admin', ['admin everyone tokens hour ']],
  ])('filters by %s', async (query, found) => {
    expect(names(await list(`?${query}`))).toEqual(found);
  });

  it('filters by the id of a subject, which need not be known', async () => {
    expect(names(await list(`?subject_id=${user.id}&metric=tokens`))).toEqual([
      'admin user tokens day m_%',
      'default user tokens month ',
    ]);
    expect(names(await list('?subject_id=0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b'))).toEqual([]);
  });

  it.each(['created_at', '-created_at'])(
    'walks all pages by %s, each limit once, also of one moment',
    async (sort) => {
      await gateway.dataSource.query(
        `INSERT INTO limits (subject, subject_id, metric, period, model, amount, set_by)
         SELECT 'user', $1, 'tokens', 'week', $2 || i, 1, 'self' FROM generate_series(1, 5) i`,
        [user.id, `of-one-moment-${sort}-`],
      );
      const ids = (answer: Answer) => limits(answer).map(({ id }) => id);
      const whole = ids(await list(`?sort=${sort}&limit=100`));
      const walked: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page: Answer = await list(`?sort=${sort}&limit=2${cursor && `&cursor=${cursor}`}`);
        walked.push(...ids(page));
        cursor = page.body.next_cursor as string | null;
      }
      expect(walked).toEqual(whole);
    },
  );

  it('looks through a part of them for a page, and says where to go on', async () => {
    // After a registration each user has a default limit; these are all older than what an administrator set above.
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by, created_at)
       SELECT 'user', gen_random_uuid(), 'requests', 'minute', 1, 'default', '2020-01-01'::timestamptz + i * interval '1 minute'
       FROM generate_series(1, 5000) i`,
    );
    await gateway.dataSource.query('ANALYZE limits');
    const walk = async (query: string) => {
      const [found, lengths]: [string[], number[]] = [[], []];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Answer = await list(`?${query}${cursor && `&cursor=${cursor}`}`);
        found.push(...names(page));
        lengths.push(limits(page).length);
        cursor = page.body.next_cursor as string | null;
      }
      return { found, lengths };
    };
    const onDay = ['admin user requests day '];
    expect(await walk('metric=requests&window=day')).toEqual({ found: onDay, lengths: [1, 0, 0] });
    expect(await walk('metric=requests&window=day&sort=created_at')).toEqual({
      found: onDay,
      lengths: [0, 0, 1],
    });
    // What not every user has is found at once.
    expect(await walk('set_by=admin&metric=requests')).toEqual({ found: onDay, lengths: [1] });
    expect((await walk('subject=everyone&sort=created_at')).lengths).toEqual([1]);
    expect(limits(await list('?metric=requests&window=minute&limit=100'))).toHaveLength(100);
  });

  it('shows each limit once, though new ones are set while a page looks for it', async () => {
    const counted = await gateway.dataSource.query<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM limits WHERE created_at > '2021-01-01'`,
    );
    // Just before the end of what one page looks through.
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by, created_at)
       SELECT 'user', gen_random_uuid(), 'requests', CASE WHEN i = $1 THEN 'total' ELSE 'hour' END, 1, 'default',
         '2021-01-01'::timestamptz - i * interval '1 second'
       FROM generate_series(1, 2500) i`,
      [1_970 - counted[0].count],
    );
    const { dataSource } = gateway;
    const query = dataSource.query.bind(dataSource);
    const arriving = jest.spyOn(dataSource, 'query').mockImplementation(async (...asked) => {
      if (String(asked[0]).includes('FROM limits')) {
        await query(
          `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
           SELECT 'user', gen_random_uuid(), 'requests', 'hour', 1, 'default' FROM generate_series(1, 20)`,
        );
      }
      return query(...asked);
    });
    try {
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Answer = await list(
          `?metric=requests&window=total&limit=100${cursor && `&cursor=${cursor}`}`,
        );
        found.push(...limits(page).map(({ id }) => id));
        cursor = page.body.next_cursor as string | null;
      }
      expect([found.length, new Set(found).size]).toEqual([1, 1]);
    } finally {
      arriving.mockRestore();
    }
  });

  it.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=101'],
    ['limit', 'limit=1e9'],
    ['cursor', 'cursor=junk'],
    ['cursor', 'cursor=0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b'],
    ['cursor', 'cursor=%00'],
    ['sort', 'sort=amount'],
    ['subject', 'subject=nobody'],
    ['subject_id', 'subject_id=me'],
    ['metric', 'metric=euros'],
    ['window', 'window=year'],
    ['set_by', 'set_by=root'],
    ['model', 'model='],
    ['model', 'model=%00'],
    ['model', 'model=a&model=b'],
    ['offset', 'offset=1'],
  ])('names %s when it refuses ?%s with 400', async (field, query) => {
    const answer = await list(`?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.text).toContain(field);
  });

  it('refuses the cursor of another order', async () => {
    const { body } = await list('?sort=created_at&limit=1');
    const answer = await list(`?limit=1&cursor=${body.next_cursor as string}`);
    expect([answer.status, answer.body.param]).toEqual([400, 'cursor']);
  });
});
