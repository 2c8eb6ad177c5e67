import { asAdmin, auditOf } from './support/administration';
import { earlyInTheMinute } from './support/early-in-the-minute';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { Answer, send, Sent } from './support/send';

const PASSWORD = 'correct horse battery staple';

describe('registration with an invitation', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  let count = 0;
  const aName = () => `guest${(count += 1)}`;
  const invite = async (json: Record<string, unknown> = {}) =>
    (await request('/invitations', { json })).body as { id: string; token: string };
  const register = (fields: Record<string, unknown>, url = gateway.url) =>
    send(`${url}/auth/register`, { json: { username: aName(), password: PASSWORD, ...fields } });
  const statusOf = async (id: string) => (await request(`/invitations/${id}`)).body.status;
  const limitsOf = (userId: unknown) =>
    gateway.dataSource.query(
      `SELECT metric, period, model, amount::int, set_by FROM limits WHERE subject_id = $1
       ORDER BY metric, period, model, set_by`,
      [userId],
    );

  beforeAll(async () => {
    gateway = await startGateway({
      settings: { DEFAULT_REQUESTS_PER_MINUTE: '100', DEFAULT_CONCURRENT_REQUESTS: '8' },
    });
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
    gateway.env.REGISTRATION = 'invite';
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.dataSource.query('DELETE FROM login_throttles'));

  it('makes the account, and says so to the administrator and the audit log', async () => {
    const { id, token } = await invite();
    const { status, body } = await register({ invitation: token });
    expect([status, body.role, body.token_limit]).toEqual([201, 'user', 1_000_000]);
    expect((await send(`${gateway.url}/v1/models`, { bearer: String(body.api_key) })).status).toBe(200);
    expect(await statusOf(id)).toBe('used');
    expect((await auditOf(gateway, id)).at(-1)).toMatchObject({
      action: 'invitation.used',
      actor_id: body.id,
      after: { user_id: body.id },
      request_id: expect.stringMatching(/-/),
    });
    expect(await auditOf(gateway, String(body.id))).toEqual([
      expect.objectContaining({
        action: 'user.created',
        actor_id: body.id,
        after: { role: 'user', status: 'active', invitation_id: id },
      }),
    ]);
  });

  it('takes the role from the invitation, and from nowhere else', async () => {
    const { token } = await invite();
    const chosen = await register({ invitation: token, role: 'admin' });
    expect([chosen.status, chosen.body.param]).toEqual([400, 'role']);
    expect((await register({ invitation: token })).body.role).toBe('user');
    const forAdmin = await invite({ role: 'admin' });
    const username = aName();
    expect((await register({ invitation: forAdmin.token, username })).body.role).toBe('admin');
    const { body } = await send(`${gateway.url}/auth/token`, { json: { username, password: PASSWORD } });
    const seen = await send(`${gateway.url}/admin/users`, { bearer: String(body.access_token) });
    expect(seen.status).toBe(200);
  });

  it('gives the limits of the invitation in place of the default ones', async () => {
    const { token } = await invite({
      token_limit: 5_000,
      limits: [
        { metric: 'requests', window: 'minute', amount: 3 },
        { metric: 'concurrent_requests', amount: null },
        { metric: 'tokens', window: 'day', model: 'opencode-llm', amount: 700 },
      ],
    });
    const { body } = await register({ invitation: token, token_limit: 4_000 });
    expect(body.token_limit).toBe(4_000);
    const any = { model: '' };
    expect(await limitsOf(body.id)).toEqual([
      { ...any, metric: 'requests', period: 'minute', amount: 3, set_by: 'admin' },
      { metric: 'tokens', period: 'day', model: 'opencode-llm', amount: 700, set_by: 'admin' },
      { ...any, metric: 'tokens', period: 'month', amount: 5_000, set_by: 'admin' },
      { ...any, metric: 'tokens', period: 'month', amount: 4_000, set_by: 'self' },
    ]);
    const chat = () =>
      gateway.post('/v1/chat/completions', String(body.api_key), {
        model: 'opencode-llm',
        messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
      });
    await earlyInTheMinute();
    const answers = [await chat(), await chat(), await chat(), await chat()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  });

  it('keeps one’s own limit below the cap of the invitation, which a refusal leaves as it was', async () => {
    const { id, token } = await invite({ token_limit: 5_000 });
    const above = await register({ invitation: token, token_limit: 5_001 });
    expect([above.status, above.body.code]).toEqual([422, 'limit_exceeds_cap']);
    expect(await statusOf(id)).toBe('open');
    const none = await invite({ token_limit: null });
    expect((await register({ invitation: none.token })).body.token_limit).toBeNull();
  });

  it('lets in exactly one of 50 who use it at once on two replicas', async () => {
    const replica = await startGateway({ replicaOf: gateway, settings: { REGISTRATION: 'invite' } });
    try {
      const { id, token } = await invite({ role: 'admin' });
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          register({ invitation: token }, n % 2 ? gateway.url : replica.url),
        ),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).toEqual([201, ...Array.from({ length: 49 }, () => 403)]);
      const codes = new Set(answers.filter(({ status }) => status === 403).map(({ body }) => body.code));
      expect([...codes]).toEqual(['invitation_required']);
      const accounts = await gateway.dataSource.query(
        `SELECT subject_id FROM audit_log WHERE action = 'user.created' AND after->>'invitation_id' = $1`,
        [id],
      );
      expect(accounts).toEqual([{ subject_id: answers.find(({ status }) => status === 201)?.body.id }]);
    } finally {
      await replica.close();
    }
  });

  it('leaves it as it was when the account cannot be made', async () => {
    const { id, token } = await invite();
    const username = aName();
    await register({ invitation: (await invite()).token, username });
    const refusals = [
      await register({ invitation: token, username: username.toUpperCase() }),
      await register({ invitation: token, password: 'password1234' }),
      await register({ invitation: token, email: 'none' }),
    ];
    expect(refusals.map(({ body }) => body.code)).toEqual([
      'username_taken',
      'weak_password',
      'invalid_request',
    ]);
    await gateway.dataSource.query('ALTER TABLE api_keys RENAME TO api_keys_away');
    try {
      expect((await register({ invitation: token })).status).toBe(500);
    } finally {
      await gateway.dataSource.query('ALTER TABLE api_keys_away RENAME TO api_keys');
    }
    expect(await statusOf(id)).toBe('open');
    expect(await auditOf(gateway, id)).toHaveLength(1);
    expect((await register({ invitation: token })).status).toBe(201);
  });

  it('gives one name to one of two with an invitation each, and keeps the other invitation', async () => {
    const invitations = await Promise.all([invite(), invite()]);
    const username = aName();
    const answers = await Promise.all(
      invitations.map(({ token }) => register({ invitation: token, username })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const states = await Promise.all(invitations.map(({ id }) => statusOf(id)));
    expect(states.sort()).toEqual(['open', 'used']);
  });

  describe('refuses with one and the same answer', () => {
    const MESSAGE = /invitation is missing or not valid/;
    const refused = async (fields: Record<string, unknown>) => {
      const answer = await register(fields);
      expect([answer.status, answer.body.code, answer.body.param]).toEqual([
        403,
        'invitation_required',
        'invitation',
      ]);
      expect(answer.body.detail).toMatch(MESSAGE);
      return answer.text.replaceAll(/"username":"[^"]*"/g, '');
    };

    it('none, a made-up, a used, a revoked and an expired one', async () => {
      const used = await invite();
      await register({ invitation: used.token });
      const revoked = await invite();
      await request(`/invitations/${revoked.id}`, { method: 'DELETE' });
      const expired = await invite();
      await gateway.dataSource.query(`UPDATE invitations SET expires_at = now() WHERE id = $1`, [expired.id]);
      const open = await invite();
      const answers = [
        await refused({}),
        await refused({ invitation: null }),
        await refused({ invitation: '' }),
        await refused({ invitation: `llmi_${'a'.repeat(43)}` }),
        await refused({ invitation: "'; DROP TABLE invitations--\u0000" }),
        await refused({ invitation: open.id }),
        await refused({ invitation: ` ${open.token}` }),
        await refused({ invitation: open.token.toLowerCase() }),
        await refused({ invitation: used.token }),
        await refused({ invitation: revoked.token }),
        await refused({ invitation: expired.token }),
      ];
      expect(new Set(answers).size).toBe(1);
      expect(await statusOf(open.id)).toBe('open');
    });

    it('one whose time ends by the clock of PostgreSQL, whatever this machine believes', async () => {
      const { id, token } = await invite();
      await gateway.dataSource.query(
        `UPDATE invitations SET expires_at = now() + interval '300 ms' WHERE id = $1`,
        [id],
      );
      await gateway.dataSource.query('SELECT pg_sleep(0.4)');
      const clock = jest.spyOn(Date, 'now').mockReturnValue(0);
      try {
        await refused({ invitation: token });
      } finally {
        clock.mockRestore();
      }
      expect(await statusOf(id)).toBe('expired');
    });

    it('one that is revoked while its account is made', async () => {
      const { id, token } = await invite();
      const username = aName();
      const revoking = gateway.dataSource.createQueryRunner();
      await revoking.startTransaction();
      await revoking.query('UPDATE invitations SET revoked_at = now() WHERE id = $1', [id]);
      const answer = refused({ invitation: token, username });
      // It has found the invitation open, and waits for the end of the other transaction.
      await untilLocksAreAwaited(gateway, 1);
      await revoking.commitTransaction();
      await revoking.release();
      await answer;
      const left = await gateway.dataSource.query('SELECT 1 FROM users WHERE username = $1', [username]);
      expect(left).toEqual([]);
    });

    it('a token for a password', async () => {
      const { body } = await request(`/users/${admin.id}/password-reset`, { method: 'POST' });
      await refused({ invitation: body.token });
    });
  });

  it.each([1, {}, ['llmi_a'], true, 'x'.repeat(257)])(
    'refuses %j as an invitation with 400',
    async (invitation) => {
      const answer = await register({ invitation });
      expect([answer.status, answer.body.param]).toEqual([400, 'invitation']);
    },
  );

  it('counts wrong invitations as attempts to register, and then refuses good ones, too', async () => {
    const { id, token } = await invite();
    for (let n = 0; n < 3; n += 1) await register({ invitation: 'a guess' });
    const [{ failures }] = await gateway.dataSource.query('SELECT failures FROM login_throttles');
    expect(failures).toBe(3);
    await gateway.dataSource.query('UPDATE login_throttles SET failures = 300');
    for (const invitation of [token, 'a guess']) {
      const answer = await register({ invitation });
      expect([answer.status, Number(answer.headers.get('retry-after')) <= 900]).toEqual([429, true]);
    }
    expect(await statusOf(id)).toBe('open');
  });

  describe('by REGISTRATION', () => {
    afterEach(() => (gateway.env.REGISTRATION = 'invite'));

    it('open: one that is given is honoured, and a wrong one is not passed over', async () => {
      gateway.env.REGISTRATION = 'open';
      const { id, token } = await invite({ role: 'admin', token_limit: 7 });
      const { body } = await register({ invitation: token });
      expect([body.role, body.token_limit]).toEqual(['admin', 7]);
      expect(await statusOf(id)).toBe('used');
      const again = await register({ invitation: token });
      expect([again.status, again.body.code]).toEqual([403, 'invitation_required']);
      for (const none of [{}, { invitation: null }]) expect((await register(none)).body.role).toBe('user');
    });

    it('closed: none lets anybody in, and none is made', async () => {
      const { id, token } = await invite();
      gateway.env.REGISTRATION = 'closed';
      const answer = await register({ invitation: token });
      expect([answer.status, answer.body.code]).toEqual([403, 'registration_closed']);
      const another = await request('/invitations', { json: {} });
      expect([another.status, another.body.code]).toEqual([409, 'registration_closed']);
      expect(await statusOf(id)).toBe('open');
    });
  });
});
