import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { Answer, send, Sent } from './support/send';

interface Row {
  user_id: string;
  username: string | null;
  key_id: string | null;
  key_name: string | null;
  model: string;
  day: string;
  total_tokens: number;
  requests: number;
}

const SESSIONS = '00000000-0000-0000-0000-000000000000';
const NOBODY = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
const MARCH = 'from=2026-03-01&to=2026-03-31';
const GROUPS = ['user', 'key', 'model', 'day'];
const SUMS = [
  'total_tokens',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'requests',
];

describe('GET /admin/usage', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let ada: TestUser;
  let bob: TestUser;
  let adasKey: string;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const report = (query = MARCH, sent?: Sent) => request(`/usage?${query}`, sent);
  const rows = (answer: Answer) => answer.body.data as Row[];
  const tokens = (answer: Answer, of: keyof Row) => rows(answer).map((row) => [row[of], row.total_tokens]);

  beforeAll(async () => {
    gateway = await startGateway({ settings: { LIMITS_TIME_ZONE: 'Europe/Berlin' } });
    admin = await gateway.registerAdmin('=admin');
    request = asAdmin(gateway, admin);
    ada = await gateway.register('ada');
    bob = await gateway.register('bob');
    const keys = await gateway.dataSource.query<{ id: string; user_id: string }[]>(
      'SELECT id, user_id FROM api_keys',
    );
    const keyOf = (user: TestUser) => keys.find(({ user_id }) => user_id === user.id)?.id ?? '';
    adasKey = keyOf(ada);
    // Berlin's 2026-03-29 begins at 23:00 and ends at 22:00 UTC.
    const generations: [TestUser, string, string, number, boolean?][] = [
      [ada, '2026-03-27T12:00:00Z', 'large', 100],
      [ada, '2026-03-28T12:00:00Z', 'large', 200],
      [ada, '2026-03-28T23:30:00Z', 'small', 1_000, true],
      [bob, '2026-03-29T21:59:59Z', 'small', 2_000],
      [bob, '2026-03-29T22:00:00Z', 'a%b_c', 4_000],
      [admin, '2026-03-30T12:00:00Z', '=cmd', 50, true],
      [bob, '2026-04-02T12:00:00Z', 'large', 9_000],
    ];
    for (const [user, at, model, prompt, session] of generations) {
      const counts = { prompt, cached: prompt / 10, completion: 10, reasoning: 2 };
      const keyId = session ? undefined : keyOf(user);
      await recordGeneration(gateway, { userId: user.id, keyId, model, at: new Date(at), ...counts });
    }
  });
  afterAll(() => gateway.close());

  it('adds up by user, in the order in which they came, without being asked how', async () => {
    const answer = await report();
    expect([answer.status, answer.body.group_by]).toEqual([200, 'user']);
    expect(tokens(answer, 'username')).toEqual([
      ['=admin', 60],
      ['ada', 1_330],
      ['bob', 6_020],
    ]);
    expect(answer.body).toMatchObject({ from: '2026-02-28T23:00:00.000Z', to: '2026-03-31T22:00:00.000Z' });
    expect(rows(answer)[1]).toEqual({
      user_id: ada.id,
      username: 'ada',
      total_tokens: 1_330,
      prompt_tokens: 1_300,
      completion_tokens: 30,
      cached_tokens: 130,
      reasoning_tokens: 6,
      requests: 3,
    });
    expect(tokens(await report(`${MARCH}&sort=-tokens`), 'username')).toEqual([
      ['bob', 6_020],
      ['ada', 1_330],
      ['=admin', 60],
    ]);
    expect([answer.body.totals, answer.body.next_cursor]).toMatchObject([{ total_tokens: 7_410 }, null]);
  });

  it('adds up by key, of which sessions have none, by model and by day', async () => {
    const keys = rows(await report(`${MARCH}&group_by=key&user_id=${ada.id}`));
    expect(keys.map((row) => [row.username, row.key_id, row.key_name, row.total_tokens])).toEqual([
      ['ada', null, null, 1_010],
      ['ada', adasKey, 'first key', 320],
    ]);
    expect(tokens(await report(`${MARCH}&group_by=model&sort=name`), 'model')).toEqual([
      ['=cmd', 60],
      ['a%b_c', 4_010],
      ['large', 320],
      ['small', 3_020],
    ]);
    expect(tokens(await report(`${MARCH}&group_by=day`), 'day')).toEqual([
      ['2026-03-27', 110],
      ['2026-03-28', 210],
      ['2026-03-29', 3_020],
      ['2026-03-30', 4_070],
    ]);
  });

  it.each([
    [MARCH],
    ['from=2026-03-28T12:00:00Z&to=2026-03-29T22:00:00Z'],
    ['from=2026-03-28T12:00:01Z&to=2026-03-30T12:00:01Z'],
    ['from=2026-03-28T13:00:00%2B01:00&to=2026-03-28T12:00:01Z'],
    ['from=2026-03-29T22:00:00Z&to=2026-04-30'],
    ['from=2026-03-28T12:00:00Z&to=2026-03-28T12:00:00Z'],
  ])('equals the ledger to the token, in all groupings alike: %s', async (range) => {
    const filters = ['', '&model=small', `&key_id=${SESSIONS}`];
    for (const filter of filters) {
      const [ledger] = await gateway.dataSource.query<[Record<string, string>]>(
        `SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) AS total_tokens,
           coalesce(sum(prompt_tokens), 0) AS prompt_tokens, coalesce(sum(completion_tokens), 0) AS completion_tokens,
           coalesce(sum(cached_tokens), 0) AS cached_tokens, coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
           count(*) AS requests
         FROM usage_records WHERE admitted_at >= $1 AND admitted_at < $2
           AND ($3 = '' OR $3 = '&model=small' AND model = 'small' OR $3 LIKE '&key%' AND key_id IS NULL)`,
        [...(await rangeOf(range)), filter],
      );
      for (const group of GROUPS) {
        const answer = await report(`${range}&group_by=${group}${filter}`);
        const totals = answer.body.totals as Record<string, number>;
        for (const sum of SUMS) {
          const parts = rows(answer).reduce((all, row) => all + Number(row[sum as keyof Row]), 0);
          expect([group, sum, totals[sum], parts]).toEqual([group, sum, Number(ledger[sum]), parts]);
          expect(parts).toBe(totals[sum]);
        }
      }
    }
  });

  const rangeOf = async (range: string) => {
    const { body } = await report(range);
    return [body.from, body.to];
  };

  it('is filtered by user, key and model, whose % and _ are no wildcards', async () => {
    const total = async (filter: string) =>
      ((await report(`${MARCH}&${filter}`)).body.totals as Row).total_tokens;
    expect(await total(`user_id=${ada.id}`)).toBe(1_330);
    expect(await total(`key_id=${adasKey}`)).toBe(320);
    expect(await total(`key_id=${adasKey}&user_id=${bob.id}`)).toBe(0);
    expect(await total(`key_id=${SESSIONS}`)).toBe(1_070);
    expect(await total(`key_id=${SESSIONS}&user_id=${ada.id}`)).toBe(1_010);
    expect(await total(`user_id=${NOBODY}`)).toBe(0);
    expect(await total(`key_id=${NOBODY}`)).toBe(0);
    expect(await total('model=a%25b_c')).toBe(4_010);
    for (const wild of ['%25', 'a%25', '_____', 'smal_', "'%20OR%20true--"])
      expect([wild, await total(`model=${wild}`)]).toEqual([wild, 0]);
  });

  it('agrees with what a user is told', async () => {
    const own = await send(`${gateway.url}/users/usage?${MARCH}`, { bearer: ada.accessToken });
    const { body } = await report(`${MARCH}&user_id=${ada.id}`);
    expect(body.totals).toEqual(own.body.totals);
  });

  it.each(
    GROUPS.flatMap((group) =>
      ['id', '-id', 'tokens', '-tokens', 'name', '-name'].map((sort) => [group, sort]),
    ),
  )('walks all pages by %s, sorted by %s, each row once and in order', async (group, sort) => {
    const query = `${MARCH}&group_by=${group}&sort=${sort}`;
    const whole = await report(query);
    const walked: Row[] = [];
    let cursor: unknown = '';
    while (cursor !== null) {
      const page: Answer = await report(`${query}&limit=1${cursor && `&cursor=${String(cursor)}`}`);
      expect(page.body.totals).toEqual(whole.body.totals);
      walked.push(...rows(page));
      cursor = page.body.next_cursor;
    }
    expect(walked).toEqual(rows(whole));
    expect(walked.length).toBeGreaterThan(2);
    const amounts = walked.map(({ total_tokens }) => total_tokens);
    const ascending = [...amounts].toSorted((a, b) => a - b);
    if (sort === 'tokens') expect(amounts).toEqual(ascending);
    if (sort === '-tokens') expect(amounts).toEqual(ascending.toReversed());
  });

  it.each([
    ['user', 'user_id,username,requests,', `${'{admin}'},'=admin,1,50,5,10,2,60`],
    ['model', 'model,requests,', 'a%b_c,1,4000,400,10,2,4010'],
    ['day', 'day,requests,', '2026-03-27,1,100,10,10,2,110'],
  ])('gives all rows by %s as CSV', async (group, header, first) => {
    const byName = await report(`${MARCH}&group_by=${group}&limit=1`, { headers: { accept: 'text/csv' } });
    expect(byName.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(byName.headers.get('content-disposition')).toContain(`usage-by-${group}.csv`);
    const lines = byName.text.split('\r\n');
    expect(lines[0]?.startsWith(header)).toBe(true);
    expect(lines[1]).toBe(first.replace('{admin}', admin.id));
    const json = await report(`${MARCH}&group_by=${group}`);
    expect(lines).toHaveLength(rows(json).length + 2);
    expect((await report(`${MARCH}&group_by=${group}&format=csv`)).text).toBe(byName.text);
  });

  it('gives no cell to a spreadsheet that it would take for a formula', async () => {
    const users = await report(`${MARCH}&format=csv`);
    expect(users.text).toContain(`${admin.id},'=admin,`);
    expect((await report(`${MARCH}&group_by=model&format=csv`)).text).toContain("'=cmd,1,");
  });

  it('names nobody who is deleted, and still counts what was used', async () => {
    const eve = await gateway.register('eve');
    await recordGeneration(gateway, {
      userId: eve.id,
      at: new Date('2025-03-01T12:00:00Z'),
      prompt: 7,
      completion: 1,
    });
    await request(`/users/${eve.id}`, { method: 'DELETE' });
    const answer = await report('from=2025-03-01&to=2025-03-01');
    expect(rows(answer).map((row) => [row.user_id, row.username, row.total_tokens])).toEqual([
      [eve.id, null, 8],
    ]);
  });

  it.each([
    ['group_by=endpoint', 'group_by'],
    ['group_by=user&group_by=day', 'group_by'],
    ['group_by=', 'group_by'],
    ['sort=requests', 'sort'],
    ['user_id=ada', 'user_id'],
    ['key_id=1', 'key_id'],
    ['model=', 'model'],
    ['model=%00', 'model'],
    [`model=${'x'.repeat(257)}`, 'model'],
    ['from=yesterday', 'from'],
    ['to=2026-02-30', 'to'],
    ['from=2026-03-02&to=2026-02-01', 'from'],
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1e9', 'limit'],
    ['cursor=junk', 'cursor'],
    ['cursor=%00', 'cursor'],
    ['format=xml', 'format'],
    ['offset=1', 'offset'],
  ])('refuses ?%s with 400, naming %s', async (query, field) => {
    const answer = await report(query);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.body.param).toBe(field);
  });

  it('refuses the cursor of another grouping or order, and of other forms', async () => {
    const { body } = await report(`${MARCH}&sort=name&limit=1`);
    const forged = (place: string[]) => Buffer.from(JSON.stringify(place)).toString('base64url');
    for (const query of [
      `group_by=user&cursor=${body.next_cursor}`,
      `group_by=model&sort=name&cursor=${body.next_cursor}`,
      `cursor=${forged(['user', '-tokens', '1; --', ada.id])}`,
      `cursor=${forged(['user', '-tokens', '1', 'x'])}`,
      `group_by=model&cursor=${forged(['model', '-tokens', '1', '\0'])}`,
      `cursor=${forged(['user', 'id', '1', ada.id])}`,
      `cursor=${forged(['user', 'id', '', 'x'])}`,
      `cursor=${forged(['user', 'id', '', `${ada.id}/${ada.id}`])}`,
      `group_by=key&cursor=${forged(['key', 'id', '', ada.id])}`,
    ]) {
      const answer = await report(`${MARCH}&${query}`);
      expect([query, answer.status, answer.body.param]).toEqual([query, 400, 'cursor']);
    }
  });

  it('refuses more than 366 days with 422', async () => {
    for (const format of ['json', 'csv']) {
      const answer = await report(`from=1900-01-01&to=9999-12-31&format=${format}`);
      expect([answer.status, answer.body.code, answer.body.param]).toEqual([422, 'range_too_long', 'from']);
    }
  });

  it.each(['/admin/usage', '/admin/usage/records', '/admin/usage?format=csv'])(
    '%s is for administrators alone',
    async (path) => {
      for (const [bearer, code] of [
        [ada.accessToken, 'forbidden'],
        [ada.key, 'session_required'],
        [admin.key, 'session_required'],
      ] as const) {
        const answer = await send(gateway.url + path, { bearer });
        expect([answer.status, answer.body.code]).toEqual([403, code]);
      }
      expect((await send(gateway.url + path)).status).toBe(401);
    },
  );
});
