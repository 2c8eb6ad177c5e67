import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditOf } from '../support/administration';
import { startGateway, TestGateway } from '../support/gateway';
import { cleanUp, emptyFolder, startProcess, ensureBuilt } from '../support/gateway-process';
import { runScript } from '../support/run-script';
import { send } from '../support/send';

const PASSWORD = 'a phrase that nobody guesses';
const ONE_SENTENCE = /^[^\n]+\.\n$/;

describe('npm run admin:create', () => {
  let gateway: TestGateway;
  const run = (words: string[], settings: Record<string, string> = {}) =>
    runScript(['admin-create.js', ...words], emptyFolder(), {
      DATABASE_URL: gateway.env.DATABASE_URL ?? '',
      ...settings,
    });
  const printed = (output: string) => /^ {2}password {2}(\S+) {2}\(shown once\)$/m.exec(output)?.[1] ?? '';
  const logIn = (username: string, password: string, url = gateway.url) =>
    send(`${url}/auth/token`, { json: { username, password } });
  const status = async (path: string, bearer: unknown, url = gateway.url) =>
    (await send(url + path, { bearer: String(bearer) })).status;
  const accountOf = async (username: string) => {
    const rows = await gateway.dataSource.query('SELECT id, role, status FROM users WHERE username = $1', [
      username,
    ]);
    return rows[0];
  };

  beforeAll(async () => {
    await ensureBuilt();
    gateway = await startGateway();
  });
  afterAll(async () => {
    await gateway.close();
    await cleanUp();
  });

  it('makes an administrator beside a running gateway, and prints a generated password once', async () => {
    const made = await run(['ada']);
    expect(made).toMatchObject({ code: 0, errors: '' });
    expect(printed(made.output)).toMatch(/^[\w-]{22}$/);
    const { status: loggedIn, body } = await logIn('ada', printed(made.output));
    expect([loggedIn, await status('/admin/users', body.access_token)]).toEqual([200, 200]);
    const ada = await accountOf('ada');
    expect(await auditOf(gateway, ada.id)).toEqual([
      expect.objectContaining({
        action: 'user.created',
        actor_id: null,
        after: { role: 'admin', status: 'active' },
      }),
    ]);
    const rows = await gateway.dataSource.query('SELECT t::text AS row FROM users t');
    expect(JSON.stringify(rows)).not.toContain(printed(made.output));
  });

  it('takes name and password from the settings, also from a file, and shows no password then', async () => {
    const file = join(emptyFolder(), 'password');
    writeFileSync(file, `${PASSWORD}\n`);
    const made = await run([], { ADMIN_USERNAME: 'grace@example.com', ADMIN_PASSWORD_FILE: file });
    expect(made).toMatchObject({ code: 0, errors: '' });
    expect(made.output).not.toContain(PASSWORD);
    expect((await logIn('grace@example.com', PASSWORD)).status).toBe(200);
  });

  it('leaves an account alone that exists, unless it is to be reset', async () => {
    const bob = await gateway.register();
    const refused = await run([bob.username.toUpperCase()]);
    expect(refused).toMatchObject({ code: 1, output: '', errors: expect.stringMatching(ONE_SENTENCE) });
    expect(refused.errors).toContain('--reset');
    expect(await accountOf(bob.username)).toMatchObject({ role: 'user', status: 'active' });
    expect(await status('/users/me', bob.accessToken)).toBe(200);
    expect(await auditOf(gateway, bob.id)).toEqual([]);
  });

  it('with --reset makes a disabled user an active admin, with a new password and without sessions', async () => {
    const admin = await gateway.registerAdmin();
    const bob = await gateway.register();
    const link = await send(`${gateway.url}/admin/users/${bob.id}/password-reset`, {
      method: 'POST',
      bearer: admin.accessToken,
    });
    await gateway.dataSource.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [bob.id]);
    const reset = await run([bob.username, '--reset']);
    expect(reset).toMatchObject({ code: 0, errors: '' });
    expect(await accountOf(bob.username)).toMatchObject({ id: bob.id, role: 'admin', status: 'active' });
    expect(await status('/users/me', bob.accessToken)).toBe(401);
    const refreshed = await send(`${gateway.url}/auth/refresh`, {
      json: { refresh_token: bob.refreshToken },
    });
    expect(refreshed.status).toBe(401);
    expect((await logIn(bob.username, bob.password)).status).toBe(401);
    const { body } = await logIn(bob.username, printed(reset.output));
    expect(await status('/admin/users', body.access_token)).toBe(200);
    const used = await send(`${gateway.url}/auth/password-reset`, {
      json: { token: link.body.token, new_password: PASSWORD },
    });
    expect([used.status, used.body.code]).toEqual([400, 'invalid_reset_token']);
    expect((await auditOf(gateway, bob.id)).at(-1)).toMatchObject({
      action: 'user.admin_reset',
      actor_id: null,
      before: { role: 'user', status: 'disabled' },
      after: { role: 'admin', status: 'active', sessions_ended: 1 },
    });
  });

  it('with --reset makes nobody, so that a slip of the keyboard is noticed', async () => {
    const refused = await run(['nobody-of-that-name', '--reset']);
    expect(refused).toMatchObject({ code: 1, output: '', errors: expect.stringMatching(ONE_SENTENCE) });
    expect(await accountOf('nobody-of-that-name')).toBeUndefined();
  });

  it.each([
    ['nobody is named', [], {}, /^Who\?/],
    ['the name is none', ['a b'], {}, /^The username must be/],
    ['a password stands on the command line', ['eve', PASSWORD], {}, /a password goes into ADMIN_PASSWORD/],
    ['the password is weak', ['eve'], { ADMIN_PASSWORD: 'password1234' }, /^ADMIN_PASSWORD is among/],
    ['there is no database', ['eve'], { DATABASE_URL: '' }, /npm start makes one/],
    ['nobody listens', ['eve'], { DATABASE_URL: 'postgres://127.0.0.1:9/x' }, /no PostgreSQL listens/],
  ])('changes nothing and says so in one line when %s', async (_what, words, settings, sentence) => {
    const refused = await run(words, settings as Record<string, string>);
    expect(refused).toMatchObject({ code: 1, errors: expect.stringMatching(/^[^\n]+\n$/) });
    expect(refused.errors).toMatch(sentence);
    expect(refused.errors).not.toContain(PASSWORD);
    expect(await accountOf('eve')).toBeUndefined();
  });

  it('works in the embedded database of a folder, while its gateway runs and while none does', async () => {
    const folder = emptyFolder();
    const create = (...words: string[]) => runScript(['admin-create.js', ...words], folder);
    const first = await startProcess(folder);
    await first.ready();
    const ada = await create('ada');
    expect(ada).toMatchObject({ code: 0, errors: '' });
    expect((await logIn('ada', printed(ada.output), first.url)).status).toBe(200);
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);

    const again = await create('ada', '--reset');
    expect(again).toMatchObject({ code: 0, errors: '' });
    const second = await startProcess(folder);
    await second.ready();
    expect((await logIn('ada', printed(ada.output), second.url)).status).toBe(401);
    expect((await logIn('ada', printed(again.output), second.url)).status).toBe(200);
  });
});
