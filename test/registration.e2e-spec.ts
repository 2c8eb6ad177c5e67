import { PasswordHasher } from '../src/users/password-hasher';
import { startGateway, TestGateway } from './support/gateway';
import { send } from './support/send';
import { slowness } from './support/slowness';

const PASSWORD = 'correct horse battery staple';

describe('POST /auth/register', () => {
  let gateway: TestGateway;
  let count = 0;
  const aName = () => `ada${(count += 1)}`;
  const register = (fields: Record<string, unknown> | string) =>
    send(`${gateway.url}/auth/register`, { json: fields });
  const logIn = (username: string, password: string) =>
    send(`${gateway.url}/auth/token`, { form: { username, password } });

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it('answers with the user, a first API key that works, and no-store', async () => {
    const username = aName();
    const { status, body, headers } = await register({
      username,
      password: PASSWORD,
      email: 'ada@example.com',
      name: 'Ada Lovelace',
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      username,
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      role: 'user',
      status: 'active',
      token_limit: 1_000_000,
      tokens_used: 0,
      created_at: expect.stringMatching(/Z$/),
      api_key: expect.stringMatching(/^llmk_[0-9A-Za-z]{49}$/),
    });
    expect(headers.get('cache-control')).toBe('no-store');
    expect((await send(`${gateway.url}/v1/models`, { bearer: String(body.api_key) })).status).toBe(200);
  });

  it('is told by the audit log: who, from where and in which request, but not under which name', async () => {
    const fields = { username: aName(), password: PASSWORD, email: 'ada@example.com', name: 'Ada Lovelace' };
    const { body, headers } = await register(fields);
    const rows = await gateway.dataSource.query('SELECT * FROM audit_log WHERE subject_id = $1', [body.id]);
    expect(rows).toEqual([
      expect.objectContaining({
        actor_id: body.id,
        action: 'user.created',
        subject: 'user',
        before: null,
        after: { role: 'user', status: 'active' },
        address: '127.0.0.1',
        request_id: headers.get('x-request-id'),
      }),
    ]);
    expect(JSON.stringify(rows)).not.toMatch(/ada|lovelace/i);
    const refused = await register(fields);
    expect(refused.status).toBe(409);
    const all = 'SELECT FROM audit_log WHERE request_id = $1';
    expect(await gateway.dataSource.query(all, [refused.headers.get('x-request-id')])).toEqual([]);
  });

  it('needs no more than a username and a password', async () => {
    const { status, body } = await register({ username: aName(), password: PASSWORD });
    expect([status, body.email, body.name]).toEqual([201, null, null]);
  });

  it.each([
    ['case', (name: string) => name.toUpperCase()],
    ['compatible characters', (name: string) => name.replace('a', 'ａ')],
  ])('takes names that differ only in %s for the same', async (_, vary) => {
    const username = aName();
    await register({ username, password: PASSWORD });
    const second = await register({ username: vary(username), password: PASSWORD });
    expect([second.status, second.body.code]).toEqual([409, 'username_taken']);
    expect((await logIn(vary(username), PASSWORD)).status).toBe(200);
  });

  it.each([
    ['too short', 'elevenchars'],
    ['129 characters', 'quiet lantern over the harbour '.repeat(5).slice(0, 129)],
    ['common', 'qwerty123456'],
    ['common with look-alikes', 'P@ssw0rd1234'],
    ['the e-mail address', 'Grace.Hopper@example.com'],
    ['broken Unicode', `quiet lantern \ud800`],
  ])('refuses a password that is %s with 400', async (_, password) => {
    const answer = await register({ username: aName(), password, email: 'grace.hopper@example.com' });
    expect([answer.status, answer.body.code, answer.body.param]).toEqual([400, 'weak_password', 'password']);
    expect(answer.text).not.toContain(password);
  });

  it.each(['Grace.Hopper.1906', 'Grace.Hopper.1906!', 'grace.hopper'])(
    'refuses a password like the username: %s',
    async (password) => {
      const answer = await register({ username: 'grace.hopper.1906', password });
      expect([answer.status, answer.body.code, answer.body.param]).toEqual([
        400,
        'weak_password',
        'password',
      ]);
    },
  );

  it.each([
    ['12 emoji', '🐳🐙🦀🦞🦐🐠🐟🐡🐬🦈🐢🦎'],
    ['spaces at both ends', '  a quiet lantern  '],
    ['64 characters', 'quiet lantern over the harbour '.repeat(3).slice(0, 64)],
    ['128 characters', 'quiet lantern over the harbour '.repeat(5).slice(0, 128)],
    ['a NUL inside', 'quiet\u0000lantern over'],
  ])('takes a password with %s, and only exactly that one logs in', async (_, password) => {
    const username = aName();
    expect((await register({ username, password })).status).toBe(201);
    expect((await logIn(username, password)).status).toBe(200);
    expect((await logIn(username, password.trim().slice(0, -1))).status).toBe(401);
    expect((await logIn(username, `${password} `)).status).toBe(401);
  });

  it.each([
    { username: `'";--` },
    { username: 'a b' },
    { username: 'ada\u0000' },
    { username: 'x'.repeat(129) },
    { username: '' },
    { username: { $ne: 1 } },
    { username: ['ada'] },
    { username: 1 },
    { username: null },
    { password: 1 },
    { password: null },
    { password: { $ne: 1 } },
    { email: 'not an address' },
    { email: `${'x'.repeat(10_000)}@example.com` },
    { email: { $ne: 1 } },
    { email: ['a@example.com'] },
    { name: 'x'.repeat(201) },
    { name: 'Ada\u0000' },
    { token_limit: -1 },
    { token_limit: 1.5 },
    { token_limit: '10' },
    { token_limit: 1e21 },
    { token_limit: 2 ** 53 },
    { token_limit: [] },
    { invitation: 1 },
  ])('refuses %j with 400, naming the field', async (wrong) => {
    const answer = await register({ username: aName(), password: PASSWORD, ...wrong });
    expect([answer.status, answer.body.param]).toEqual([400, Object.keys(wrong)[0]]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it.each([
    'role',
    'isAdmin',
    'id',
    'tokenLimit',
    'tokenCap',
    'used',
    'tokens_used',
    'createdAt',
    'created_at',
    'passwordHash',
    'status',
  ])('accepts no field %s', async (field) => {
    const answer = await register({ username: aName(), password: PASSWORD, [field]: 'admin' });
    expect([answer.status, answer.body.param]).toEqual([400, field]);
    expect(answer.body.detail).toContain(field);
    expect(await gateway.dataSource.query('SELECT FROM users WHERE username = $1', [`ada${count}`])).toEqual(
      [],
    );
  });

  it.each(['{"__proto__":{"role":"admin"},', '{"constructor":{"prototype":{"role":"admin"}},'])(
    'gives nobody a role through %s',
    async (start) => {
      const username = aName();
      const answer = await register(`${start}"username":"${username}","password":"${PASSWORD}"}`);
      expect([201, 400]).toContain(answer.status);
      if (answer.status === 201) expect(answer.body.role).toBe('user');
      expect(({} as { role?: string }).role).toBeUndefined();
      expect((await register({ username: aName(), password: PASSWORD })).body.role).toBe('user');
    },
  );

  it.each(['{"a":', '', 'null', '[]', '"x"', '{"username":"a",}', '\ufeff'])(
    'answers the body %j with 400',
    async (json) => {
      expect((await register(json)).status).toBe(400);
    },
  );

  it('refuses forms with 415 and 17 KiB with 413, unread', async () => {
    const form = await send(`${gateway.url}/auth/register`, {
      form: { username: aName(), password: PASSWORD },
    });
    expect(form.status).toBe(415);
    expect((await register({ username: aName(), password: 'x'.repeat(17 * 1_024) })).status).toBe(413);
  });

  it('refuses a password of 1 MB within 50 ms, before it is hashed', async () => {
    const hasher = gateway.app.get(PasswordHasher);
    const spies = [jest.spyOn(hasher, 'hash'), jest.spyOn(hasher, 'verify')];
    const json = { username: aName(), password: 'x'.repeat(1_024 * 1_024) };
    let fastest = Infinity;
    // The fastest of some: a busy machine may be slow, the gateway may not.
    for (let attempt = 0; attempt < 10; attempt += 1) {
      for (const path of ['/auth/register', '/auth/token']) {
        const startedAt = performance.now();
        expect((await send(gateway.url + path, { json })).status).toBe(413);
        fastest = Math.min(fastest, performance.now() - startedAt);
      }
    }
    expect(fastest).toBeLessThan(50 * slowness());
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    // The spies would have seen it.
    await register({ username: aName(), password: PASSWORD });
    expect(spies[0]).toHaveBeenCalledTimes(1);
    for (const spy of spies) spy.mockRestore();
  });

  it('keeps a token limit of one’s own below the default cap', async () => {
    const own = await register({ username: aName(), password: PASSWORD, token_limit: 5_000 });
    expect([own.status, own.body.token_limit]).toEqual([201, 5_000]);
    const zero = await register({ username: aName(), password: PASSWORD, token_limit: 0 });
    expect([zero.status, zero.body.token_limit]).toEqual([201, 0]);
    const atCap = await register({ username: aName(), password: PASSWORD, token_limit: 1_000_000 });
    expect([atCap.status, atCap.body.token_limit]).toEqual([201, 1_000_000]);
    const above = await register({ username: aName(), password: PASSWORD, token_limit: 1_000_001 });
    expect([above.status, above.body.code, above.body.param]).toEqual([
      422,
      'limit_exceeds_cap',
      'token_limit',
    ]);
  });

  describe('by the settings', () => {
    afterEach(() =>
      Object.assign(gateway.env, {
        DEFAULT_TOKEN_LIMIT: 1_000_000,
        REGISTRATION: undefined,
        PASSWORD_MIN: 12,
      }),
    );

    it('takes a password of 15 characters and none of 14 when PASSWORD_MIN is 15', async () => {
      gateway.env.PASSWORD_MIN = 15;
      const short = await register({ username: aName(), password: 'quiet lanterns' });
      expect([short.status, short.body.code]).toEqual([400, 'weak_password']);
      expect((await register({ username: aName(), password: 'a quiet lantern' })).status).toBe(201);
    });

    it('sets no cap when DEFAULT_TOKEN_LIMIT is -1', async () => {
      gateway.env.DEFAULT_TOKEN_LIMIT = -1;
      expect((await register({ username: aName(), password: PASSWORD })).body.token_limit).toBeNull();
      const own = await register({ username: aName(), password: PASSWORD, token_limit: 9_000_000 });
      expect(own.body.token_limit).toBe(9_000_000);
    });

    it.each([
      ['closed', 'registration_closed'],
      ['invite', 'invitation_required'],
    ] as const)('is refused with 403 when REGISTRATION is %s', async (mode, code) => {
      gateway.env.REGISTRATION = mode;
      const answer = await register({ username: aName(), password: PASSWORD, invitation: 'made up' });
      expect([answer.status, answer.body.code]).toEqual([403, code]);
    });
  });

  it('makes account, limits and key together or not at all', async () => {
    const username = aName();
    await gateway.dataSource.query('ALTER TABLE api_keys RENAME TO api_keys_away');
    try {
      expect((await register({ username, password: PASSWORD })).status).toBeGreaterThanOrEqual(500);
    } finally {
      await gateway.dataSource.query('ALTER TABLE api_keys_away RENAME TO api_keys');
    }
    expect((await register({ username, password: PASSWORD })).status).toBe(201);
  });

  it('stops a flood of accounts from one address with 429, however many come at once', async () => {
    await gateway.dataSource.query('UPDATE login_throttles SET failures = 299');
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => register({ username: aName(), password: PASSWORD })),
    );
    await gateway.dataSource.query('DELETE FROM login_throttles');
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 429, 429, 429]);
    for (const { status, headers, body } of answers)
      if (status === 429)
        expect([Number(headers.get('retry-after')) <= 900, body.detail]).toEqual([
          true,
          expect.stringMatching(
            /^Too many attempts to register from your network; try again in 1[45] minutes\.$/,
          ),
        ]);
  });
});
