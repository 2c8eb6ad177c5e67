import { invitationsPage } from '../src/administration/invitations/invitation-directory.service';
import { INVITATION_SORTS, invitationOrder } from '../src/administration/invitations/invitation-sort';
import { toCursor } from '../src/common/page-cursor';
import { asAdmin } from './support/administration';
import { fastest } from './support/fastest';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send, Sent } from './support/send';

type Invitation = { id: string; token: string; status: string; note: string | null };

describe('GET /admin/invitations', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path?: string, sent?: Sent) => Promise<Answer>;
  const invite = async (note: string) => (await request('', { json: { note } })).body as Invitation;
  const list = (query = '') => request(query);
  const data = (answer: Answer) => answer.body.data as Invitation[];
  const notes = (answer: Answer) => data(answer).map(({ note }) => note);
  const crowd = (size: number, at = `now() - i * interval '1 minute'`) =>
    gateway.dataSource.query(
      `INSERT INTO invitations (id, token_hash, role, note, created_by, created_at, expires_at)
       SELECT gen_random_uuid(), sha256(i::text::bytea), 'user', 'crowd ' || i, $1, at, at + interval '7 days'
       FROM generate_series(1, $2::int) i, LATERAL (SELECT ${at} AS at) AS made`,
      [admin.id, size],
    );

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    const asThem = asAdmin(gateway, admin);
    request = (path = '', sent = {}) => asThem(`/invitations${path}`, sent);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.dataSource.query('DELETE FROM invitations'));

  it('lists newest first, and filters by status and by a part of the note as it is written', async () => {
    await invite('100% open');
    const used = await invite('used_by Ünsal');
    const revoked = await invite('revoked');
    const expired = await invite('expired');
    const account = { username: 'listed', password: 'a quiet lantern burns on', invitation: used.token };
    expect((await send(`${gateway.url}/auth/register`, { json: account })).status).toBe(201);
    await request(`/${revoked.id}`, { method: 'DELETE' });
    await gateway.dataSource.query('UPDATE invitations SET expires_at = now() WHERE id = $1', [expired.id]);
    expect(data(await list()).map(({ status }) => status)).toEqual(['expired', 'revoked', 'used', 'open']);
    for (const status of ['open', 'used', 'revoked', 'expired']) {
      expect(data(await list(`?status=${status}`)).map((one) => one.status)).toEqual([status]);
    }
    expect(notes(await list('?search=%25'))).toEqual(['100% open']);
    expect(notes(await list('?search=_'))).toEqual(['used_by Ünsal']);
    expect(notes(await list('?search=%C3%BCNSAL'))).toEqual(['used_by Ünsal']);
    expect(notes(await list('?search=%5C'))).toEqual([]);
    expect(notes(await list("?search='%20OR%201=1--"))).toEqual([]);
    expect(notes(await list('?search=open&status=used'))).toEqual([]);
  });

  it('is walked page by page, each once, also when more come', async () => {
    for (let n = 0; n < 5; n += 1) await invite(`page ${n}`);
    const walked: (string | null)[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Answer = await list(`?limit=2${cursor && `&cursor=${cursor}`}`);
      walked.push(...notes(page));
      cursor = page.body.next_cursor as string | null;
      await invite('came later');
    }
    expect(walked).toEqual([4, 3, 2, 1, 0].map((n) => `page ${n}`));
  });

  it('sorts by when they were made and when they end, either way round', async () => {
    for (const [note, days] of [
      ['a month', 30],
      ['a day', 1],
      ['a week', 7],
    ]) {
      await request('', { json: { note, expires_in_days: days } });
    }
    expect(notes(await list('?sort=created_at'))).toEqual(['a month', 'a day', 'a week']);
    expect(notes(await list('?sort=-created_at'))).toEqual(['a week', 'a day', 'a month']);
    expect(notes(await list('?sort=expires_at'))).toEqual(['a day', 'a week', 'a month']);
    expect(notes(await list('?sort=-expires_at'))).toEqual(['a month', 'a week', 'a day']);
  });

  it.each(['created_at', '-created_at', 'expires_at', '-expires_at'])(
    'walks all pages by %s, each once, also those of one moment and of one microsecond apart',
    async (sort) => {
      await crowd(9, `now() + (i / 3) * interval '1 microsecond'`);
      const ids = (answer: Answer) => data(answer).map(({ id }) => id);
      const whole = ids(await list(`?sort=${sort}`));
      const walked: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page: Answer = await list(`?sort=${sort}&limit=2${cursor && `&cursor=${cursor}`}`);
        walked.push(...ids(page));
        cursor = page.body.next_cursor as string | null;
      }
      expect(new Set(walked).size).toBe(9);
      expect(walked).toEqual(whole);
    },
  );

  it('refuses the cursor of another order, and one from before there were orders', async () => {
    await crowd(2);
    const { body } = await list('?sort=expires_at&limit=1');
    const [{ id }] = data(await list('?limit=1')) as [Invitation];
    for (const query of [
      `cursor=${String(body.next_cursor)}`,
      `sort=-expires_at&cursor=${String(body.next_cursor)}`,
      `sort=created_at&cursor=${String(body.next_cursor)}`,
      `cursor=${toCursor('invitations', [id])}`,
    ]) {
      const answer = await list(`?${query}`);
      expect([query, answer.status, answer.body.param]).toEqual([query, 400, 'cursor']);
    }
  });

  it('takes a made-up place for an empty page or for nonsense, never for a fault of its own', async () => {
    await crowd(1);
    const [{ id }] = data(await list()) as [Invitation];
    for (const [place, found] of [
      ['-99999999999999999', 0],
      ['99999999999999999', 1],
      ['0', 0],
    ] as const) {
      const answer = await list(`?cursor=${toCursor('invitations', ['-created_at', place, id])}`);
      expect([place, answer.status, data(answer)?.length]).toEqual([place, 200, found]);
    }
    for (const place of ['999999999999999999', '1e9', 'NaN', 'infinity', "0'::int--", '']) {
      const answer = await list(`?cursor=${toCursor('invitations', ['-created_at', place, id])}`);
      expect([place, answer.status, answer.body.param]).toEqual([place, 400, 'cursor']);
    }
  });

  it('reads a page of any order along an index, and no more than the page', async () => {
    await crowd(20_000);
    await gateway.dataSource.query('ANALYZE invitations');
    for (const sort of INVITATION_SORTS) {
      for (const place of [null, String(Date.now() * 1000)]) {
        const rows: { 'QUERY PLAN': string }[] = await gateway.dataSource.query(
          `EXPLAIN (ANALYZE, COSTS off, TIMING off) ${invitationsPage(invitationOrder(sort))}`,
          [null, null, place, place && '00000000-0000-0000-0000-000000000000', 51],
        );
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan).not.toMatch(/Seq Scan on invitations|Sort Key/);
        expect(plan).toMatch(new RegExp(`Index Scan.* using invitations_${sort.replace('-', '')} `));
        expect([sort, place, /Index Cond: \(ROW\(/.test(plan)]).toEqual([sort, place, place !== null]);
      }
    }
  });

  it.each([
    'status=gone',
    'status=',
    'search=',
    'search=%00',
    'search[]=a',
    'sort=note',
    'sort=--created_at',
    'sort=token_hash',
    'sort=',
    'limit=0',
    'limit=101',
    'cursor=junk',
    'token=x',
  ])('refuses ?%s with 400', async (query) => {
    const answer = await list(`?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });

  it('is listed within 200 ms among 20,000, however it is filtered', async () => {
    await crowd(20_000);
    await gateway.dataSource.query('ANALYZE invitations');
    for (const query of [
      '',
      '?status=open',
      '?status=used',
      '?sort=-expires_at',
      '?search=%25%25%25',
      '?search=crowd%201999',
    ]) {
      const ms = await fastest(async () => expect((await list(query)).status).toBe(200));
      expect([query, ms < 200]).toEqual([query, true]);
    }
  });
});
