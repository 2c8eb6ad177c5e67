import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send, Sent } from './support/send';

type Invitation = { id: string; token: string; status: string; note: string | null; expires_at: string };

describe('/admin/invitations', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path?: string, sent?: Sent) => Promise<Answer>;
  const invite = async (json: Record<string, unknown> = {}) => {
    const answer = await request('', { json });
    return { ...answer, body: answer.body as Invitation & Answer['body'] };
  };
  const list = (query = '') => request(query);
  const data = (answer: Answer) => answer.body.data as Invitation[];
  const revoke = (id: string) => request(`/${id}`, { method: 'DELETE' });
  const expire = (id: string) =>
    gateway.dataSource.query(`UPDATE invitations SET expires_at = now() WHERE id = $1`, [id]);
  const accept = (invitation: string, username: string) =>
    send(`${gateway.url}/auth/register`, {
      json: { username, password: 'a quiet lantern burns on', invitation },
    });

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    const asThem = asAdmin(gateway, admin);
    request = (path = '', sent = {}) => asThem(`/invitations${path}`, sent);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.dataSource.query('DELETE FROM invitations'));

  it('makes one for an ordinary user, for a week, whose token is shown once and kept as a hash', async () => {
    const { status, body, headers } = await invite();
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
    const { token, url, ...shown } = body;
    expect(token).toMatch(/^llmi_[\w-]{43}$/);
    expect(url).toBe(`${gateway.url}/auth/register#${String(token)}`);
    expect(shown).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      status: 'open',
      role: 'user',
      note: null,
      limits: [],
      created_by: { id: admin.id, username: admin.username },
      created_at: expect.stringMatching(/Z$/),
      expires_at: expect.stringMatching(/Z$/),
      used_by: null,
      used_at: null,
      revoked_at: null,
    });
    const days = (Date.parse(body.expires_at) - Date.now()) / 86_400_000;
    expect([days > 6.9, days <= 7.1]).toEqual([true, true]);
    expect((await request(`/${body.id}`)).body).toEqual(shown);
    expect(data(await list())).toEqual([shown]);
    for (const table of ['invitations', 'audit_log']) {
      const rows = await gateway.dataSource.query(`SELECT t::text AS row FROM ${table} t`);
      expect(JSON.stringify(rows)).not.toContain(token.slice(5));
    }
  });

  it('takes role, note, limits and time', async () => {
    const { body } = await invite({
      role: 'admin',
      note: 'Grace, grace@example.com',
      token_limit: 2_000_000,
      limits: [
        { metric: 'requests', window: 'minute', amount: 60 },
        { metric: 'tokens', window: 'day', model: 'opencode-llm', amount: 0 },
        { metric: 'concurrent_requests', window: null, model: null, amount: null },
      ],
      expires_in_days: 90,
    });
    expect(body).toMatchObject({
      role: 'admin',
      note: 'Grace, grace@example.com',
      limits: [
        { metric: 'tokens', window: 'month', model: null, amount: 2_000_000 },
        { metric: 'requests', window: 'minute', model: null, amount: 60 },
        { metric: 'tokens', window: 'day', model: 'opencode-llm', amount: 0 },
        { metric: 'concurrent_requests', window: null, model: null, amount: null },
      ],
    });
    expect((Date.parse(body.expires_at) - Date.now()) / 86_400_000).toBeGreaterThan(89.8);
  });

  it('writes into the audit log who made and revoked it, and not for whom it is', async () => {
    const { body } = await invite({ role: 'admin', note: 'for Grace', token_limit: null });
    expect((await revoke(body.id)).status).toBe(204);
    expect(await auditOf(gateway, body.id)).toEqual([
      expect.objectContaining({
        action: 'invitation.created',
        actor_id: admin.id,
        before: null,
        after: {
          role: 'admin',
          limits: [{ metric: 'tokens', window: 'month', model: null, amount: null }],
          expires_at: body.expires_at,
        },
        request_id: expect.stringMatching(/-/),
      }),
      expect.objectContaining({ action: 'invitation.revoked', actor_id: admin.id }),
    ]);
    const read = await send(`${gateway.url}/admin/audit-log?subject=invitation&subject_id=${body.id}`, {
      bearer: admin.accessToken,
    });
    expect(data(read)).toHaveLength(2);
    expect(read.text).not.toContain('for Grace');
  });

  it('revokes once: again changes nothing, and one that was used says so', async () => {
    const { body } = await invite();
    await revoke(body.id);
    const revoked = await request(`/${body.id}`);
    expect([revoked.body.status, revoked.body.revoked_at]).toEqual(['revoked', expect.any(String)]);
    expect((await revoke(body.id)).status).toBe(204);
    expect((await request(`/${body.id}`)).body).toEqual(revoked.body);
    expect(await auditOf(gateway, body.id)).toHaveLength(2);

    const used = await invite();
    const made = await accept(used.body.token, 'came-with-it');
    const refused = await revoke(used.body.id);
    expect([refused.status, refused.body.code]).toEqual([409, 'invitation_used']);
    expect((await request(`/${used.body.id}`)).body).toMatchObject({
      status: 'used',
      used_by: { id: made.body.id, username: 'came-with-it' },
      used_at: expect.stringMatching(/Z$/),
      revoked_at: null,
    });
  });

  it('knows nothing of an id that is none of an invitation', async () => {
    for (const method of ['GET', 'DELETE']) {
      expect((await request(`/${admin.id}`, { method })).status).toBe(404);
      expect((await request('/1', { method })).status).toBe(400);
    }
  });

  it('an expired one can still be revoked, and is then revoked', async () => {
    const { body } = await invite();
    await expire(body.id);
    expect((await revoke(body.id)).status).toBe(204);
    expect((await request(`/${body.id}`)).body.status).toBe('revoked');
  });

  it.each([
    { role: 'root' },
    { role: ['admin'] },
    { role: null },
    { note: '' },
    { note: 1 },
    { note: 'a\u0000' },
    { note: 'x'.repeat(201) },
    { token_limit: -1 },
    { token_limit: '10' },
    { token_limit: 2 ** 53 },
    { expires_in_days: 0 },
    { expires_in_days: 91 },
    { expires_in_days: 1.5 },
    { expires_in_days: '7' },
    { expires_in_days: null },
    { limits: {} },
    { limits: [null] },
    { limits: ['tokens'] },
    { limits: [[]] },
    {
      limits: Array.from({ length: 21 }, (_, n) => ({
        metric: 'tokens',
        window: 'day',
        model: `m${n}`,
        amount: 1,
      })),
    },
    {
      limits: [
        { metric: 'tokens', window: 'day', amount: 1 },
        { metric: 'tokens', window: 'day', amount: 2 },
      ],
    },
    { id: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' },
    { token: 'llmi_mine' },
    { created_by: null },
    { used_at: null },
    { expires_at: '2099-01-01T00:00:00Z' },
    { status: 'open' },
  ])('refuses %j with 400, naming the field', async (wrong) => {
    const answer = await invite(wrong);
    expect([answer.status, answer.body.param]).toEqual([400, Object.keys(wrong)[0]]);
    expect(data(await list())).toEqual([]);
  });

  it.each([
    [{ metric: 'tokens', amount: 1 }, 'window'],
    [{ metric: 'tokens', window: 'year', amount: 1 }, 'window'],
    [{ metric: 'money', window: 'day', amount: 1 }, 'metric'],
    [{ metric: 'tokens', window: 'day' }, 'amount'],
    [{ metric: 'tokens', window: 'day', amount: -1 }, 'amount'],
    [{ metric: 'tokens', window: 'day', amount: 1, model: '' }, 'model'],
    [{ metric: 'tokens', window: 'day', amount: 1, model: 'a\u0000' }, 'model'],
    [{ metric: 'tokens', window: 'day', amount: 1, set_by: 'self' }, 'set_by'],
    [{ metric: 'tokens', window: 'day', amount: 1, subject: 'everyone' }, 'subject'],
  ])('refuses the limit %j with 400, naming %s', async (limit, field) => {
    const answer = await invite({ limits: [limit] });
    expect([answer.status, answer.body.param]).toEqual([400, `limits.0.${field}`]);
  });

  it('is closed to users and to API keys of administrators', async () => {
    const user = await gateway.register();
    const { body } = await invite();
    for (const [path, sent] of [
      ['', {}],
      ['', { json: { role: 'admin' } }],
      [`/${body.id}`, {}],
      [`/${body.id}`, { method: 'DELETE' }],
    ] as [string, Sent][]) {
      for (const bearer of [user.accessToken, admin.key]) {
        const answer = await send(`${gateway.url}/admin/invitations${path}`, { ...sent, bearer });
        expect(answer.status).toBe(403);
        expect(answer.text).not.toContain(body.id);
      }
      expect((await send(`${gateway.url}/admin/invitations${path}`, sent)).status).toBe(401);
    }
    expect(data(await list())).toHaveLength(1);
  });

  it.each([
    ['is demoted', { json: { role: 'user' }, method: 'PATCH' }],
    ['is disabled', { json: { status: 'disabled' }, method: 'PATCH' }],
    ['is deleted', { method: 'DELETE' }],
  ])('open invitations of an administrator who %s are revoked with it', async (_, sent: Sent) => {
    const grace = await gateway.registerAdmin();
    const hers = await asAdmin(gateway, grace)('/invitations', { json: { role: 'admin' } });
    const used = await asAdmin(gateway, grace)('/invitations', { json: {} });
    await accept(String(used.body.token), `guest-of-${grace.username}`);
    const mine = await invite();
    await asAdmin(gateway, admin)(`/users/${grace.id}`, sent);
    const statusOf = async (id: unknown) => (await request(`/${String(id)}`)).body.status;
    expect(await statusOf(hers.body.id)).toBe('revoked');
    expect(await statusOf(used.body.id)).toBe('used');
    expect(await statusOf(mine.body.id)).toBe('open');
    expect((await accept(String(hers.body.token), `late-${grace.username}`)).status).toBe(403);
    expect(
      (await auditOf(gateway, String(hers.body.id))).map(({ action, actor_id }) => [action, actor_id]),
    ).toEqual([
      ['invitation.created', grace.id],
      ['invitation.revoked', admin.id],
    ]);
  });

  it('forgets whom it was for when the account is deleted, and names no deleted maker', async () => {
    const grace = await gateway.registerAdmin();
    const { body } = await asAdmin(gateway, grace)('/invitations', { json: { note: 'Hedy Lamarr' } });
    const hedy = await accept(String(body.token), 'hedy');
    for (const id of [hedy.body.id, grace.id]) {
      expect((await asAdmin(gateway, admin)(`/users/${id}`, { method: 'DELETE' })).status).toBe(204);
    }
    const shown = await request(`/${body.id}`);
    expect(shown.body).toMatchObject({
      status: 'used',
      note: null,
      created_by: { id: grace.id, username: null },
      used_by: { id: hedy.body.id, username: null },
    });
  });
});
