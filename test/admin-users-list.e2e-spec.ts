import { toCursor } from '../src/common/page-cursor';
import { asAdmin } from './support/administration';
import { fastest } from './support/fastest';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import type { Answer } from './support/send';

type Listed = { id: string; username: string };

describe('GET /admin/users', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let list: (query?: string) => Promise<Answer>;
  const users = (answer: Answer) => answer.body.data as Listed[];
  const names = (answer: Answer) => users(answer).map(({ username }) => username);

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin('the-admin');
    const request = asAdmin(gateway, admin);
    list = (query = '') => request(`/users${query}`);
    for (const username of ['ada', 'grace_hopper', 'grace-murray', '100%', 'Ünsal']) {
      await request('/users', { json: { username } });
    }
    const [{ id }] = users(await list('?search=grace-murray')) as [Listed];
    await request(`/users/${id}`, { method: 'PATCH', json: { status: 'disabled' } });
  });
  afterAll(() => gateway.close());

  it('shows accounts newest first, with this month’s tokens and no secret', async () => {
    const answer = await list();
    expect(answer.status).toBe(200);
    expect(names(answer)).toEqual(['Ünsal', '100%', 'grace-murray', 'grace_hopper', 'ada', 'the-admin']);
    expect(users(answer).at(-1)).toEqual({
      id: admin.id,
      username: 'the-admin',
      email: null,
      name: null,
      role: 'admin',
      status: 'active',
      token_limit: 1_000_000,
      tokens_used: 0,
      created_at: expect.stringMatching(/Z$/),
      last_login_at: expect.stringMatching(/Z$/),
      has_password: true,
    });
    expect(users(answer)[0]).toMatchObject({ last_login_at: null, has_password: false });
    expect(answer.body.next_cursor).toBeNull();
  });

  it.each([
    ['%25', ['100%']],
    ['_', ['grace_hopper']],
    ['%25%25%25', []],
    ['GRACE', ['grace-murray', 'grace_hopper']],
    ['%C3%BCNSAL', ['Ünsal']],
    ['%5C', []],
    ["'%20OR%201=1--", []],
    ['_'.repeat(128), []],
  ])('searches for %s as it is written', async (text, found) => {
    expect(names(await list(`?search=${text}`))).toEqual(found);
  });

  it('filters by role and status', async () => {
    expect(names(await list('?role=admin'))).toEqual(['the-admin']);
    expect(names(await list('?status=disabled'))).toEqual(['grace-murray']);
    expect(names(await list('?role=admin&status=disabled'))).toEqual([]);
  });

  it('sorts by name and by login', async () => {
    expect(names(await list('?sort=username&search=d'))).toEqual(['ada', 'the-admin']);
    expect(names(await list('?sort=-username&search=d'))).toEqual(['the-admin', 'ada']);
    expect(names(await list('?sort=-last_login_at'))[0]).toBe('the-admin');
  });

  it.each(['created_at', '-created_at', 'username', '-username', 'last_login_at', '-last_login_at'])(
    'walks all pages by %s, each account once, also when others come and go',
    async (sort) => {
      const whole = names(await list(`?sort=${sort}`));
      const walked: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page: Answer = await list(`?sort=${sort}&limit=1${cursor && `&cursor=${cursor}`}`);
        expect(page.status).toBe(200);
        walked.push(...names(page));
        cursor = page.body.next_cursor as string | null;
      }
      expect(walked).toEqual(whole);
    },
  );

  it('goes on behind an account that was deleted meanwhile', async () => {
    const request = asAdmin(gateway, admin);
    const made = await request('/users', { json: { username: 'aaa-short-lived' } });
    const page = await list('?sort=username&limit=2');
    await request(`/users/${made.body.id}`, { method: 'DELETE' });
    const next = await list(`?sort=username&limit=1&cursor=${page.body.next_cursor}`);
    expect(next.status).toBe(200);
    expect(names(page)).not.toContain(names(next)[0]);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1e9',
    'limit=1.5',
    'limit=',
    'cursor=junk',
    'cursor=WyJhIl0',
    'cursor=%00',
    'sort=password_hash',
    'sort=tokens',
    'role=root',
    'status=deleted',
    'search=',
    'search=%00',
    `search=${'x'.repeat(129)}`,
    `search=${'_'.repeat(1_000)}`,
    'search[]=a',
    'search=a&search=b',
    'offset=1',
  ])('refuses ?%s with 400', async (query) => {
    const answer = await list(`?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });

  it('refuses the cursor of another order', async () => {
    const { body } = await list('?sort=username&limit=1');
    const answer = await list(`?sort=-username&limit=1&cursor=${body.next_cursor}`);
    expect([answer.status, answer.body.param]).toEqual([400, 'cursor']);
  });

  it('takes a made-up time in a cursor for nonsense or for a place, never for a fault of its own', async () => {
    const { body } = await list('?limit=1');
    const [, sort, , id] = JSON.parse(
      Buffer.from(String(body.next_cursor), 'base64url').toString(),
    ) as string[];
    for (const time of [
      '2026-99-99T99:99:99.000000Z',
      '2026-02-31T00:00:00.000000Z',
      '0',
      '99999999999999999',
    ]) {
      const answer = await list(`?cursor=${toCursor('users', [String(sort), time, String(id)])}`);
      expect([time, answer.status]).toEqual([time, /^\d+$/.test(time) ? 200 : 400]);
    }
  });

  it('answers within 100 ms among 20,000 accounts, however it is sorted and searched', async () => {
    await gateway.dataSource.query(
      `INSERT INTO users (id, username, username_key, created_at)
       SELECT gen_random_uuid(), 'crowd' || i, 'crowd' || i, now() - i * interval '1 minute'
       FROM generate_series(1, 20000) i`,
    );
    await gateway.dataSource.query('ANALYZE users');
    for (const query of [
      '',
      '?sort=username',
      '?search=%25%25%25%25',
      `?search=${'_'.repeat(128)}`,
      `?search=${'%25_'.repeat(64)}`,
      '?search=crowd1999&sort=-last_login_at',
      '?limit=100',
      // Refused, and that at once.
      `?search=${'_'.repeat(1_000)}`,
      '?limit=1e9',
      '?limit=-1',
      '?cursor=junk',
    ]) {
      const ms = await fastest(async () => {
        const answer = await list(query);
        expect(answer.status === 200 ? users(answer).length <= 100 : answer.status === 400).toBe(true);
      });
      expect([query, ms <= 100]).toEqual([query, true]);
    }
  });
});
