import { asAdmin } from './support/administration';
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

  it.each([
    'status=gone',
    'status=',
    'search=',
    'search=%00',
    'search[]=a',
    'limit=0',
    'limit=101',
    'cursor=junk',
    'token=x',
  ])('refuses ?%s with 400', async (query) => {
    const answer = await list(`?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });

  it('is listed within 200 ms among 20,000, however it is filtered', async () => {
    await gateway.dataSource.query(
      `INSERT INTO invitations (id, token_hash, role, note, created_by, expires_at)
       SELECT gen_random_uuid(), sha256(i::text::bytea), 'user', 'crowd ' || i, $1, now() + i * interval '1 second'
       FROM generate_series(1, 20000) i`,
      [admin.id],
    );
    await gateway.dataSource.query('ANALYZE invitations');
    for (const query of ['', '?status=open', '?status=used', '?search=%25%25%25', '?search=crowd%201999']) {
      await list(query);
      const begun = performance.now();
      expect((await list(query)).status).toBe(200);
      expect([query, performance.now() - begun < 200]).toEqual([query, true]);
    }
  });
});
