import { createHash } from 'node:crypto';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { openPage } from './support/opened-page';
import { sendRaw } from './support/raw-http';
import { Answer, send, Sent } from './support/send';

const PASSWORD = 'seven lamps by the harbour';
const DEAD =
  'This link does not work (any more): it works once, and for a limited time. Ask an administrator for a new one.';

describe('the link of an invitation', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  let count = 0;
  const aName = () => `invited${(count += 1)}`;
  const invite = async (json: Record<string, unknown> = {}) =>
    (await request('/invitations', { json })).body as { id: string; token: string; url: string };
  const open = (token: string) => openPage(gateway.url, `/auth/register#${token}`);
  const filled = (username: string, password = PASSWORD, again = password) => ({ username, password, again });
  const statusOf = async (id: string) => (await request(`/invitations/${id}`)).body.status;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PUBLIC_URL: 'https://llm.example.com/gateway/' } });
    admin = await gateway.registerAdmin();
    request = asAdmin(gateway, admin);
    gateway.env.REGISTRATION = 'invite';
  });
  afterAll(() => gateway.close());

  it('comes with the invitation, once, from PUBLIC_URL whatever the Host header says', async () => {
    const { id, token, url } = await invite();
    expect(url).toBe(`https://llm.example.com/gateway/auth/register#${token}`);
    for (const path of ['/invitations', `/invitations/${id}`]) {
      expect((await request(path)).text).not.toContain(token.slice(5));
    }
    const raw = await sendRaw(
      gateway.url,
      `POST /admin/invitations HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\n` +
        `authorization: Bearer ${admin.accessToken}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n` +
        `connection: close\r\n\r\n{}`,
    );
    expect(raw).toMatch(/^HTTP\/1\.1 201 /);
    expect(raw).toContain('"url":"https://llm.example.com/gateway/auth/register#llmi_');
    expect(raw).not.toContain('evil');
  });

  it('leads to a page that makes the account and shows its first API key, once', async () => {
    const { id, token } = await invite({ note: 'for the page' });
    const page = await open(token);
    expect([page.answer.status, page.hidden('form'), page.text('#key')]).toEqual([200, false, '']);
    const username = aName();
    await page.submit(filled(username));
    expect(page.text('[role=status]')).toBe(`The account ${username} is made.`);
    const key = page.text('#key');
    expect(key).toMatch(/^llmk_/);
    expect((await send(`${gateway.url}/v1/models`, { bearer: key })).status).toBe(200);
    const logIn = { username, password: PASSWORD };
    expect((await send(`${gateway.url}/auth/token`, { json: logIn })).status).toBe(200);
    expect(await statusOf(id)).toBe('used');
    expect(page.text('h1')).toBe('Your account');
    // What was typed, and the token, are gone from the page, and from its address.
    expect([page.hidden('form'), page.hidden('section'), page.hash()]).toEqual([true, false, '']);
    expect(['username', 'password', 'again'].map((name) => page.field(name))).toEqual(['', '', '']);
  });

  it('sends the token in the bodies of two requests, to where the page came from', async () => {
    const { token } = await invite();
    const page = await openPage(gateway.url, `/auth/register?x=1#${token}`);
    const looked = [`${gateway.url}/auth/register/check`, JSON.stringify({ invitation: token })];
    expect(page.requests).toEqual([looked]);
    const username = aName();
    await page.submit(filled(username));
    expect(page.requests).toEqual([
      looked,
      [`${gateway.url}/auth/register`, JSON.stringify({ username, password: PASSWORD, invitation: token })],
    ]);
  });

  it('says what is wrong, and works on when it has been put right', async () => {
    const { id, token } = await invite();
    const page = await open(token);
    const said = () => page.text('[role=status]');
    await page.submit(filled(aName(), PASSWORD, 'another one, mistyped'));
    expect([said(), page.requests]).toEqual(['The two passwords are not the same.', [expect.anything()]]);
    await page.submit(filled(aName(), 'short'));
    expect(said()).toBe('The password must have at least 12 characters.');
    await page.submit(filled(aName(), 'password1234'));
    expect(said()).toBe('The password is among the first ones that attackers try; choose another.');
    await page.submit(filled(admin.username));
    expect(said()).toBe('This username is already taken; choose another.');
    expect([await statusOf(id), page.hidden('form'), page.text('#key')]).toEqual(['open', false, '']);
    await page.submit(filled(aName()));
    expect(page.text('#key')).toMatch(/^llmk_/);
  });

  it('names the request when something goes wrong inside, for an administrator, and works on after that', async () => {
    const page = await open((await invite()).token);
    await gateway.dataSource.query('ALTER TABLE api_keys RENAME TO api_keys_away');
    try {
      await page.submit(filled(aName()));
    } finally {
      await gateway.dataSource.query('ALTER TABLE api_keys_away RENAME TO api_keys');
    }
    expect(page.text('[role=status]')).toMatch(
      /^Something went wrong at the server\. .* give an administrator this number: [\da-f]{8}-[\da-f-]{27}$/,
    );
    await page.submit(filled(aName()));
    expect(page.text('#key')).toMatch(/^llmk_/);
  });

  it('lets nobody in a second time, nor without a token', async () => {
    const { token } = await invite();
    const [first, second] = [await open(token), await open(token)];
    await first.submit(filled(aName()));
    await second.submit(filled(aName()));
    const third = await open(token);
    for (const page of [second, third]) {
      expect([page.text('[role=status]'), page.text('#key'), page.hidden('form')]).toEqual([DEAD, '', true]);
    }
    expect(third.requests).toHaveLength(1);
    const without = await openPage(gateway.url, '/auth/register');
    expect([without.hidden('form'), without.requests]).toEqual([true, []]);
    expect(without.text('[role=status]')).toMatch(/not complete .* or it has done its work here already/);
  });

  it('makes one account, of ten who open it and press the button at once', async () => {
    const { id, token } = await invite();
    const pages = await Promise.all(Array.from({ length: 10 }, () => open(token)));
    await Promise.all(pages.map((page) => page.submit(filled(aName()))));
    expect(pages.filter((page) => page.text('#key') !== '')).toHaveLength(1);
    expect(pages.filter((page) => page.text('[role=status]') === DEAD)).toHaveLength(9);
    expect(await statusOf(id)).toBe('used');
  });

  it('sends on as text whatever stands behind the #, which lets nobody in', async () => {
    for (const hash of [`"};alert(1)//`, '</script><script>alert(1)</script>', 'llmi_', 'a'.repeat(300)]) {
      const page = await open(hash);
      const [[, body]] = page.requests as [[string, string]];
      expect(JSON.parse(body)).toEqual({ invitation: page.hash().slice(1) });
      expect([page.hidden('form'), page.text('#key'), page.text('[role=status]')]).toEqual([true, '', DEAD]);
    }
  });

  it('is one page for everybody: nothing that was sent comes back in it', async () => {
    await invite({ note: '<script>alert(1)</script>' });
    const plain = await send(`${gateway.url}/auth/register`);
    for (const [query, headers] of [
      ['?username=%3Cscript%3Ealert(1)%3C/script%3E&invitation=llmi_x', {}],
      ['', { host: 'evil.example', 'x-forwarded-host': 'evil.example', referer: '"><script>' }],
      ['', { accept: 'application/json', authorization: `Bearer ${admin.accessToken}` }],
    ] as const) {
      const answer = await send(`${gateway.url}/auth/register${query}`, { headers });
      expect([answer.status, answer.text]).toEqual([200, plain.text]);
    }
  });

  it('shows texts of others as text: a username that is markup stays one, and is refused', async () => {
    const { token } = await invite();
    const page = await open(token);
    const markup = '<img/src=x/onerror=alert(1)>';
    await page.submit(filled(markup));
    expect(page.text('[role=status]')).toBe(
      'Choose another username: any name, or your e-mail address, of at most 128 characters, without spaces or any of ' +
        `${'" ( ) , : ; < > [ ] \\'.replaceAll(' ', '\u00a0')} in it.`,
    );
    await page.submit({ ...filled(aName()), username: `${aName()}&lt;b&gt;'` });
    expect(page.text('[role=status]')).toMatch(/^Choose another username: /);
    expect(page.answer.text).not.toMatch(
      /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|\son\w+=/,
    );
  });

  it('cannot be framed, and runs one script of its own, which asks nobody else', async () => {
    for (const path of ['/auth/register', '/auth/password-reset']) {
      const { status, text, headers } = await send(gateway.url + path);
      expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      const policy = headers.get('content-security-policy') ?? '';
      const hashOf = (tag: string) => {
        const [, content = ''] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(text) ?? [];
        return createHash('sha256').update(content).digest('base64');
      };
      expect(policy.split('; ')).toEqual([
        "default-src 'none'",
        `script-src 'sha256-${hashOf('script')}'`,
        `style-src 'sha256-${hashOf('style')}'`,
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ]);
      expect([headers.get('referrer-policy'), headers.get('cache-control')]).toEqual([
        'no-referrer',
        'no-store',
      ]);
      expect(text).not.toMatch(/src=|<link|<iframe|@import|url\(/);
      expect([...new Set(text.match(/https?:[^\s<"]+/g))]).toEqual(
        ['', '/v1', '/docs'].map((path) => `https://llm.example.com/gateway${path}`),
      );
    }
  });

  it('makes an account with REGISTRATION=open, too, and says at once when it is closed', async () => {
    const { token } = await invite();
    try {
      gateway.env.REGISTRATION = 'closed';
      const closed = await open(token);
      expect([closed.hidden('form'), closed.text('[role=status]')]).toEqual([
        true,
        'No accounts are made here at the moment. Ask an administrator for one.',
      ]);
      gateway.env.REGISTRATION = 'open';
      const page = await open(token);
      await page.submit(filled(aName()));
      expect(page.text('[role=status]')).toMatch(/ is made\.$/);
    } finally {
      gateway.env.REGISTRATION = 'invite';
    }
  });

  it('can be filled in although it could not be looked at', async () => {
    const { token } = await invite();
    await gateway.dataSource.query('UPDATE login_throttles SET failures = 300');
    const page = await open(token);
    expect([page.hidden('form'), page.text('[role=status]')]).toEqual([
      false,
      expect.stringMatching(/^Too many attempts to register from your network; try again in 1?\d minutes\.$/),
    ]);
    await gateway.dataSource.query('DELETE FROM login_throttles');
    await page.submit(filled(aName()));
    expect(page.text('#key')).toMatch(/^llmk_/);
  });

  it('leads to the password page in the same way', async () => {
    const bob = (await request('/users', { json: { username: aName() } })).body;
    const { token } = bob.password_link as { token: string };
    const page = await openPage(gateway.url, `/auth/password-reset#${token}`);
    expect(page.requests).toEqual([[`${gateway.url}/auth/password-reset/check`, JSON.stringify({ token })]]);
    await page.submit({ password: PASSWORD, again: 'mistyped' });
    expect([page.text('[role=status]'), page.requests.length]).toEqual(['The two are not the same.', 1]);
    await page.submit({ password: 'short', again: 'short' });
    expect(page.text('[role=status]')).toBe('The password must have at least 12 characters.');
    await page.submit({ password: PASSWORD, again: PASSWORD });
    expect([page.text('h1'), page.text('[role=status]')]).toEqual([
      'Your new password',
      'The password is set. Wherever you were logged in, log in with it again.',
    ]);
    expect([page.hidden('form'), page.hidden('section'), page.hash()]).toEqual([true, false, '']);
    expect(page.field('password')).toBe('');
    const again = await openPage(gateway.url, `/auth/password-reset#${token}`);
    expect([again.text('[role=status]'), again.hidden('form')]).toEqual([DEAD, true]);
    const logIn = { username: bob.username, password: PASSWORD };
    expect((await send(`${gateway.url}/auth/token`, { json: logIn })).status).toBe(200);
  });
});
