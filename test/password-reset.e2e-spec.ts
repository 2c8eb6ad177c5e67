import { createHash } from 'node:crypto';
import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { Answer, send, Sent } from './support/send';

const NEW = 'a quiet lantern burns on';

describe('password links', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const issue = async (user: { id: string }) => {
    const answer = await request(`/users/${user.id}/password-reset`, { method: 'POST' });
    return answer as Answer & { body: { token: string; url: string; expires_at: string } };
  };
  const use = (token: unknown, new_password: unknown = NEW) =>
    send(`${gateway.url}/auth/password-reset`, { json: { token, new_password } });
  const logIn = (user: TestUser, password: string) =>
    send(`${gateway.url}/auth/token`, { json: { username: user.username, password } });

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PUBLIC_URL: 'https://llm.example.com' } });
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
  });
  afterAll(() => gateway.close());

  it('come with a token shown once, kept as a hash, and good for a day', async () => {
    const bob = await gateway.register();
    const { status, body, headers } = await issue(bob);
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
    expect(body.token).toMatch(/^llmp_[\w-]{43}$/);
    expect(body.url).toBe(`https://llm.example.com/auth/password-reset#${body.token}`);
    const hours = (Date.parse(body.expires_at) - Date.now()) / 3_600_000;
    expect([hours > 23.9, hours <= 24]).toEqual([true, true]);
    for (const table of ['password_resets', 'audit_log', 'users']) {
      const rows = await gateway.dataSource.query(`SELECT t::text AS row FROM ${table} t`);
      expect(JSON.stringify(rows)).not.toContain(body.token);
      expect(JSON.stringify(rows)).not.toContain(body.token.slice(5));
    }
  });

  it('change nothing until they are used; then the new password counts, and all sessions end', async () => {
    const bob = await gateway.register();
    const { body } = await issue(bob);
    expect((await logIn(bob, bob.password)).status).toBe(200);
    expect((await use(body.token)).status).toBe(204);
    expect((await logIn(bob, bob.password)).status).toBe(401);
    expect((await send(`${gateway.url}/users/me`, { bearer: bob.accessToken })).status).toBe(401);
    const refreshed = await send(`${gateway.url}/auth/refresh`, {
      json: { refresh_token: bob.refreshToken },
    });
    expect(refreshed.status).toBe(401);
    expect((await send(`${gateway.url}/v1/models`, { bearer: bob.key })).status).toBe(200);
    expect((await logIn(bob, NEW)).status).toBe(200);
    expect((await auditOf(gateway, bob.id)).map(({ action, actor_id }) => [action, actor_id])).toEqual([
      ['user.password_reset_issued', admin.id],
      ['user.password_reset_used', bob.id],
    ]);
  });

  it('work once, also when 20 use one at once on two replicas', async () => {
    const replica = await startGateway({ replicaOf: gateway });
    try {
      const bob = await gateway.register();
      const { body } = await issue(bob);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          send(`${i % 2 ? gateway.url : replica.url}/auth/password-reset`, {
            json: { token: body.token, new_password: `${NEW} ${i}` },
          }),
        ),
      );
      expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
      const others = answers.filter(({ status }) => status !== 204);
      expect(new Set(others.map(({ body: { code } }) => code))).toEqual(new Set(['invalid_reset_token']));
      const winner = answers.findIndex(({ status }) => status === 204);
      expect((await logIn(bob, `${NEW} ${winner}`)).status).toBe(200);
    } finally {
      await replica.close();
    }
  });

  it('are replaced by the next one, and void after a change of the password', async () => {
    const bob = await gateway.register();
    const first = await issue(bob);
    const second = await issue(bob);
    expect((await use(first.body.token)).status).toBe(400);
    const changed = await send(`${gateway.url}/auth/password`, {
      bearer: bob.accessToken,
      json: { current_password: bob.password, new_password: `${NEW} myself` },
    });
    expect(changed.status).toBe(204);
    expect((await use(second.body.token)).status).toBe(400);
  });

  it('stop working when their time is over or the account is deleted', async () => {
    const bob = await gateway.register();
    const { body } = await issue(bob);
    await gateway.dataSource.query(
      `UPDATE password_resets SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [bob.id],
    );
    expect((await use(body.token)).body.code).toBe('invalid_reset_token');
    const again = await issue(bob);
    await request(`/users/${bob.id}`, { method: 'DELETE' });
    expect((await use(again.body.token)).body.code).toBe('invalid_reset_token');
  });

  it('do not let a disabled user in', async () => {
    const bob = await gateway.register();
    const { body } = await issue(bob);
    await request(`/users/${bob.id}`, { method: 'PATCH', json: { status: 'disabled' } });
    expect((await use(body.token)).status).toBe(204);
    expect((await logIn(bob, NEW)).status).toBe(401);
  });

  it.each([
    ['demoted', { method: 'PATCH', json: { role: 'user' } }],
    ['disabled', { method: 'PATCH', json: { status: 'disabled' } }],
    ['deleted', { method: 'DELETE' }],
  ])('of an administrator who is %s stop working with it, and the audit log tells', async (_, sent: Sent) => {
    const [grace, bob] = [await gateway.registerAdmin(), await gateway.register()];
    const hers = asAdmin(gateway, grace);
    const reset = await hers(`/users/${bob.id}/password-reset`, { method: 'POST' });
    const made = await hers('/users', { json: { username: `made-by-${grace.username}` } });
    const mine = await issue(await gateway.register());
    await request(`/users/${grace.id}`, sent);
    const { token: first } = made.body.password_link as { token: string };
    for (const token of [reset.body.token, first]) {
      const answer = await use(token);
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_reset_token']);
    }
    expect((await use(mine.body.token)).status).toBe(204);
    for (const id of [bob.id, String(made.body.id)]) {
      expect((await auditOf(gateway, id)).at(-1)).toMatchObject({
        action: 'user.password_reset_revoked',
        actor_id: admin.id,
      });
    }
  });

  it('stay when another administrator has issued them anew', async () => {
    const [grace, bob] = [await gateway.registerAdmin(), await gateway.register()];
    await asAdmin(gateway, grace)(`/users/${bob.id}/password-reset`, { method: 'POST' });
    const { body } = await issue(bob);
    await request(`/users/${grace.id}`, { method: 'DELETE' });
    expect((await use(body.token)).status).toBe(204);
  });

  it('and roles are not given by somebody who stops being an administrator at that moment', async () => {
    const [grace, bob] = [await gateway.registerAdmin(), await gateway.register()];
    const eve = await gateway.register();
    const demoting = gateway.dataSource.createQueryRunner();
    await demoting.startTransaction();
    await demoting.query(`UPDATE users SET role = 'user' WHERE id = $1`, [grace.id]);
    const hers = asAdmin(gateway, grace);
    const asked = [
      hers(`/users/${bob.id}/password-reset`, { method: 'POST' }),
      hers('/users', { json: { username: `late-${grace.username}`, role: 'admin' } }),
      hers(`/users/${eve.id}`, { method: 'PATCH', json: { role: 'admin' } }),
    ];
    await untilLocksAreAwaited(gateway, asked.length);
    await demoting.commitTransaction();
    await demoting.release();
    for (const { status, body } of await Promise.all(asked)) {
      expect([status, body.code]).toEqual([403, 'forbidden']);
    }
    expect((await request(`/users?search=late-${grace.username}`)).body.data).toEqual([]);
    expect((await request(`/users/${eve.id}`)).body.role).toBe('user');
  });

  it('stay as they were when the password is refused', async () => {
    const bob = await gateway.register();
    const { body } = await issue(bob);
    const weak = await use(body.token, 'password1234');
    expect([weak.status, weak.body.code, weak.body.param]).toEqual([400, 'weak_password', 'new_password']);
    expect((await use(body.token)).status).toBe(204);
  });

  it.each([
    '',
    'llmp_',
    `llmp_${'a'.repeat(43)}`,
    '\u0000',
    "'; DROP TABLE users--",
    `llmp_${'a'.repeat(300)}`,
    1,
    null,
  ])('refuse %j', async (token) => {
    const answer = await use(token);
    expect([answer.status, answer.body.param]).toEqual([400, 'token']);
  });

  it.each(['/auth/password-reset', '/auth/register'])(
    'lead to a page that tells the rules of passwords before one is refused: %s',
    async (path) => {
      const strict = await startGateway({ replicaOf: gateway, settings: { PASSWORD_MIN: '20' } });
      try {
        for (const [{ url }, minimum] of [
          [gateway, 12],
          [strict, 20],
        ] as const) {
          const { text } = await send(url + path);
          const [, rules] = /<p id="rules">(.*?)<\/p>/.exec(text) ?? [];
          expect(rules).toMatch(
            new RegExp(`^${minimum} to 128 characters.*username.*attackers try first\\.$`),
          );
          expect(text).toMatch(/<input name="password"[^>]* aria-describedby="rules"/);
        }
      } finally {
        await strict.close();
      }
    },
  );

  it('lead to a page that runs one script of its own and asks nobody else', async () => {
    const { status, text, headers } = await send(`${gateway.url}/auth/password-reset`);
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = headers.get('content-security-policy') ?? '';
    for (const element of ['script', 'style']) {
      const [, content = ''] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(text) ?? [];
      const hash = createHash('sha256').update(content).digest('base64');
      expect(policy).toContain(`${element}-src 'sha256-${hash}';`);
    }
    expect(policy).toContain("default-src 'none'");
    expect(text).toContain('<b>LLM User Management API</b> llm.example.com</header>');
    expect(text).toContain('>opencode auth login https://llm.example.com</code>');
  });

  it.each(['public', 'admin', 'off'] as const)(
    'lead to a page that shows the documentation to whom it is shown: DOCS_ACCESS=%s',
    async (access) => {
      const shown = await startGateway({ replicaOf: gateway, settings: { DOCS_ACCESS: access } });
      try {
        for (const path of ['/auth/password-reset', '/auth/register']) {
          const { text } = await send(shown.url + path);
          const [, linked] = /<a href="([^"]*)"/.exec(text) ?? [];
          expect(linked).toBe(access === 'public' ? `${shown.env.publicUrl}/docs` : undefined);
        }
      } finally {
        await shown.close();
      }
    },
  );
});
