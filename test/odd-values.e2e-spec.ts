import { documentedRoutes } from './support/documented-routes';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send } from './support/send';

const nested = (open: string, close: string, levels: number) =>
  open.repeat(levels) + '1' + close.repeat(levels);

/** JSON that is right as such, and holds what no form or script of ours would send. */
describe('management bodies with odd values', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const ask = (method: string, path: string, json: string, bearer = admin.accessToken) =>
    send(gateway.url + path, { method, json, bearer });
  const refusal = ({ status, body }: Answer) => [status, body.code, body.param];

  it.each([
    '"\\ud800@example.com"',
    '"\\ud800"',
    '"a\\udfff"',
    '"a\\u202eb@example.com"',
    '"a\\u200bb@example.com"',
    '["a@example.com"]',
  ])('the e-mail address %s is refused by name, wherever one is taken', async (email) => {
    const answers = [
      await ask('PATCH', '/users/me', `{"email":${email}}`, user.accessToken),
      await ask('PATCH', `/admin/users/${user.id}`, `{"email":${email}}`),
      await ask('POST', '/admin/users', `{"username":"grace","email":${email}}`),
      await ask(
        'POST',
        '/auth/register',
        `{"username":"grace","password":"nine owls over it","email":${email}}`,
      ),
    ];
    expect(answers.map(refusal)).toEqual(answers.map(() => [400, 'invalid_request', 'email']));
  });

  it.each(['\\u202ealice', 'a\\u2066b', 'a\\u202db'])(
    'the name "%s", which turns what stands beside it, is refused',
    async (name) => {
      const answers = [
        await ask('PATCH', '/users/me', `{"name":"${name}"}`, user.accessToken),
        await ask('POST', '/users/me/api-keys', `{"name":"${name}"}`, user.accessToken),
      ];
      expect(answers.map(refusal)).toEqual(answers.map(() => [400, 'invalid_request', 'name']));
    },
  );

  it('names in scripts that run from right to left, and joined emoji, are taken', async () => {
    for (const name of ['سارة', 'می‌خواهم', 'א\u200fב', '👩‍💻']) {
      const answer = await ask('PATCH', '/users/me', JSON.stringify({ name }), user.accessToken);
      expect([answer.status, answer.body.name]).toEqual([200, name]);
    }
  });

  it.each(['\u3164', '\ufe0f', '\u034f', '\u115f', '\u2800'])(
    'a username that differs from another one only by the invisible %j is refused',
    async (invisible) => {
      const json = JSON.stringify({ username: user.username + invisible, password: 'nine owls over it' });
      const answer = await ask('POST', '/auth/register', json);
      expect(refusal(answer)).toEqual([400, 'invalid_request', 'username']);
    },
  );

  it.each([
    ['lists', nested('[', ']', 8_000)],
    ['objects', nested('{"a":', '}', 2_700)],
    ['a field', `{"name":${nested('[', ']', 8_000)}}`],
  ])('%s within each other thousands of times are refused, and no fault of the gateway', async (_, json) => {
    for (const [method, path] of [
      ['PATCH', '/users/me'],
      ['POST', '/auth/register'],
      ['PUT', '/admin/limits'],
      ['POST', '/admin/invitations'],
      ['POST', '/auth/refresh'],
    ] as const)
      expect([path, (await ask(method, path, json)).status]).toEqual([path, 400]);
  });

  it.each(['[]', '[{"metric":"tokens","window":"day","amount":1}]', '5', '"x"', 'null'])(
    'a limit that is %s is refused',
    async (limit) => {
      for (const path of ['/users/me/api-keys', '/admin/invitations']) {
        const answer = await ask(
          'POST',
          path,
          `{"name":"laptop","limits":[${limit}]}`.replace(path.includes('inv') ? '"name":"laptop",' : '', ''),
        );
        expect([answer.status, String(answer.body.param).split('.')[0]]).toEqual([400, 'limits']);
      }
    },
  );

  it.each(['minute', 'day', 'total', '', 5])(
    'concurrent requests of a window %j are refused by name: they have none',
    async (window) => {
      const limit = { metric: 'concurrent_requests', window, amount: 2 };
      const keys = await send(`${gateway.url}/users/me/api-keys`, { bearer: user.accessToken });
      const [key] = keys.body as unknown as { id: string }[];
      const answers = [
        await ask('PUT', '/admin/limits', JSON.stringify({ subject: 'user', subject_id: user.id, ...limit })),
        await ask('PUT', '/admin/limits/default', JSON.stringify(limit)),
        await ask('PUT', `/users/me/api-keys/${key?.id}/limits`, JSON.stringify(limit), user.accessToken),
        await ask('POST', '/admin/invitations', JSON.stringify({ limits: [limit] })),
      ];
      expect(answers.map(refusal)).toEqual(
        ['window', 'window', 'window', 'limits.0.window'].map((param) => [400, 'invalid_request', param]),
      );
      expect(answers[0]?.body.detail).toBe('window must be left out, or null: concurrent_requests have none');
    },
  );

  it.each([
    '{"__proto__":{"role":"admin"}}',
    '{"constructor":{"prototype":{"role":"admin"}}}',
    '{"limits":[{"__proto__":{"role":"admin"}}],"name":"n"}',
  ])('%s makes nobody an administrator, whichever route takes it', async (json) => {
    const routes = (await documentedRoutes(gateway)).filter(
      ({ verb, path }) => ['POST', 'PUT', 'PATCH'].includes(verb) && path !== '/auth/logout',
    );
    expect(routes.length).toBeGreaterThan(20);
    for (const { verb, path } of routes) {
      const target = path.replaceAll(/\{\w+\}/g, user.id);
      for (const bearer of [user.accessToken, admin.accessToken, user.key]) {
        const { status } = await ask(verb, target, json, bearer);
        const polluted = ({} as { role?: string }).role;
        expect([verb, target, status < 500, polluted]).toEqual([verb, target, true, undefined]);
      }
    }
    for (const key of ['__proto__', 'constructor', 'hasOwnProperty', '__proto__[role]']) {
      const { status } = await send(`${gateway.url}/users/usage/records?${key}=admin`, {
        bearer: user.accessToken,
      });
      expect([key, status]).toEqual([key, 400]);
    }
    expect((await ask('PATCH', '/users/me', '{}', user.accessToken)).body.role).toBe('user');
    expect((await send(`${gateway.url}/admin/users`, { bearer: user.accessToken })).status).toBe(403);
    const list = await send(`${gateway.url}/admin/users`, { bearer: admin.accessToken });
    const roles = (list.body.data as { username: string; role: string }[]).map(({ username, role }) => [
      username,
      role,
    ]);
    expect(roles.toSorted()).toEqual(
      [
        [admin.username, 'admin'],
        [user.username, 'user'],
      ].toSorted(),
    );
  });

  it('an expectation nobody knows is ignored, and the answer is one of the house', async () => {
    const { request } = await import('node:http');
    const status = await new Promise<[number | undefined, unknown]>((resolve, reject) => {
      const asked = request(
        `${gateway.url}/health/live`,
        { headers: { expect: '999-nothing' } },
        (answer) => {
          answer.resume();
          resolve([answer.statusCode, answer.headers['x-request-id']]);
        },
      );
      asked.on('error', reject).end();
    });
    expect(status).toEqual([200, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });
});
