import { createHmac } from 'node:crypto';
import { DocumentedRoute, documentedRoutes, registeredRoutes } from './support/documented-routes';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { faultsOf } from './support/house-rules';
import { Answer, send } from './support/send';

const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const NOBODYS_ID = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';

/** All that is open without a credential. Whoever makes a route public writes it down here, too. */
const PUBLIC = [
  'GET /.well-known/opencode',
  'GET /auth/password-reset',
  'GET /auth/register',
  'GET /docs-json',
  'GET /health/live',
  'GET /health/ready',
  'GET /v1/.well-known/opencode',
  'POST /auth/password-reset',
  'POST /auth/password-reset/check',
  'POST /auth/refresh',
  'POST /auth/register',
  'POST /auth/register/check',
  'POST /auth/token',
];

/** The page of the documentation, which does not describe itself. */
const PAGE = /^GET \/docs(\/|$)/;

/** They work with nothing in the body and end the session that asks: each gets one of its own, or comes last. */
const LOGOUT = '/auth/logout';
const SESSIONS = '/auth/sessions';

type Expected = 'passes' | 401 | 403;
/** What the credential is good for: on routes of a session, of an administrator's session, of an API key. */
type Rights = readonly [session: Expected, admin: Expected, apiKey: Expected];
type Headers = Record<string, string>;

const CREDENTIALS: readonly [name: string, rights: Rights][] = [
  ['nothing', [401, 401, 401]],
  ['a made-up bearer', [401, 401, 401]],
  ['a made-up API key', [401, 401, 401]],
  ['an API key as bearer', [403, 403, 'passes']],
  ['an API key in x-api-key', [403, 403, 'passes']],
  ["an administrator's API key", [403, 403, 'passes']],
  ["a user's access token", ['passes', 403, 401]],
  ["a user's access token in x-api-key", [401, 401, 401]],
  ["an administrator's access token", ['passes', 'passes', 401]],
  ['a refresh token', [401, 401, 401]],
  ['an expired access token', [401, 401, 401]],
  ["a disabled user's access token", [401, 401, 401]],
  ["a disabled user's API key", [401, 401, 401]],
];

describe('every route', () => {
  let gateway: TestGateway;
  let routes: DocumentedRoute[];
  let user: TestUser;
  let credentials: Record<string, Headers>;
  let forLogout: Record<string, Headers>;

  beforeAll(async () => {
    gateway = await startGateway();
    routes = await documentedRoutes(gateway);
    user = await gateway.register();
    const [admin, other, disabled] = [
      await gateway.registerAdmin(),
      await gateway.register(),
      await gateway.register(),
    ];
    await gateway.dataSource.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [disabled.id]);
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    credentials = {
      nothing: {},
      'a made-up bearer': bearer('x'.repeat(40)),
      'a made-up API key': bearer(`${user.key.slice(0, -4)}0000`),
      'an API key as bearer': bearer(user.key),
      'an API key in x-api-key': { 'x-api-key': user.key },
      "an administrator's API key": bearer(admin.key),
      "a user's access token": bearer(user.accessToken),
      "a user's access token in x-api-key": { 'x-api-key': other.accessToken },
      "an administrator's access token": bearer(admin.accessToken),
      'a refresh token': bearer(user.refreshToken),
      'an expired access token': bearer(expired(user.accessToken)),
      "a disabled user's access token": bearer(disabled.accessToken),
      "a disabled user's API key": bearer(disabled.key),
    };
    const another = async ({ username, password }: TestUser) =>
      bearer(
        String((await send(`${gateway.url}/auth/token`, { json: { username, password } })).body.access_token),
      );
    forLogout = {
      "a user's access token": await another(user),
      "an administrator's access token": await another(admin),
    };
  });
  afterAll(() => gateway.close());

  /** The same token, made with the same key two hours ago. */
  const expired = (token: string): string => {
    const [header, payload] = token.split('.') as [string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { iat: number; exp: number };
    const old = { ...claims, iat: claims.iat - 7_200, exp: claims.exp - 7_200 };
    const signed = `${header}.${Buffer.from(JSON.stringify(old)).toString('base64url')}`;
    return `${signed}.${createHmac('sha256', gateway.env.JWT_SECRET ?? '')
      .update(signed)
      .digest('base64url')}`;
  };

  const requested = (method: string, path: string, headers: Headers): Promise<Answer> =>
    send(gateway.url + path.replaceAll(/\{\w+\}/g, NOBODYS_ID), { method, headers });

  /** A HEAD is answered as the GET of its path; and a word may stand where another route has an id. */
  const routeOf = (method: string, path: string): DocumentedRoute | undefined =>
    routes.find((route) => route.verb === method && route.path === path) ??
    routes.find((route) => route.verb === method && patternOf(route.path).test(path)) ??
    (method === 'HEAD' ? routeOf('GET', path) : undefined);
  const patternOf = (path: string) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);

  const expectedOf = ({ verb, path, takes }: DocumentedRoute, rights: Rights): Expected => {
    if (PUBLIC.includes(`${verb} ${path}`)) return 'passes';
    const [session, admin, apiKey] = rights;
    if (takes.length > 1) return [session, apiKey].includes('passes') ? 'passes' : 401;
    if (takes[0] === 'api-key') return apiKey;
    return path.startsWith('/admin') ? admin : session;
  };

  // Asked with nothing in the body and ids of nobody: who passes finds a 400 or a 404 behind the door.
  const faultsWith = (name: string, rights: Rights) => async (method: string, path: string) => {
    const route = routeOf(method, path);
    const ofLogout = path === LOGOUT ? forLogout[name] : undefined;
    const answer = await requested(method, path, ofLogout ?? credentials[name] ?? {});
    const expected = route ? expectedOf(route, rights) : 405;
    const isRefused = [401, 403, 405].includes(answer.status);
    const isOwnRefusal = PUBLIC.includes(`${method} ${path}`) && 'error' in answer.body;
    const isExpected = expected === 'passes' ? !isRefused || isOwnRefusal : answer.status === expected;
    return [
      ...faultsOf(path, method, answer),
      ...(isExpected ? [] : [`${answer.status} instead of ${expected}`]),
    ].map((fault) => `${method} ${path} with ${name}: ${fault}`);
  };

  it('is in the document, and what is in the document is a route', () => {
    const documented = routes.map(({ verb, path }) => `${verb} ${path}`);
    const registered = registeredRoutes(gateway.app).filter((route) => !PAGE.test(route));
    expect(registered.toSorted()).toEqual(documented.toSorted());
    expect(registered.length).toBeGreaterThan(30);
  });

  it('needs a credential, but for those on the list', () => {
    const open = routes.filter(({ takes }) => takes.length === 0).map(({ verb, path }) => `${verb} ${path}`);
    expect(open.toSorted()).toEqual(PUBLIC);
  });

  it.each(CREDENTIALS)('lets in with %s whom it should, whatever the method', async (name, rights) => {
    const paths = [...new Set(routes.map(({ path }) => path))];
    const inOrder = [...paths.filter((path) => path !== SESSIONS), SESSIONS];
    const faultsOfRoute = faultsWith(name, rights);
    const faults: string[] = [];
    for (const path of inOrder) {
      const others = VERBS.filter((method) => method !== 'DELETE');
      const ofPath = await Promise.all(others.map((method) => faultsOfRoute(method, path)));
      faults.push(...ofPath.flat(), ...(await faultsOfRoute('DELETE', path)));
    }
    expect(faults).toEqual([]);
  });

  it.each([
    ['in capitals', (path: string) => path.toUpperCase()],
    ['with a slash at its end', (path: string) => `${path}/`],
    ['with two slashes in front', (path: string) => `/${path}`],
    ['with two slashes inside', (path: string) => path.replace(/(?<=.)\//g, '//')],
    ['with an encoded slash', (path: string) => path.replace(/(?<=.)\//, '%2f')],
    [
      'with an encoded letter',
      (path: string) => path.replace(/(?<=\/)\w/, (c) => `%${c.charCodeAt(0).toString(16)}`),
    ],
    ['with a parameter', (path: string) => `${path};a=b`],
    ['with dots', (path: string) => `/.${path}/%2e`],
  ])('leaks nothing when its path is written %s', async (_, written) => {
    const faults: string[] = [];
    for (const path of new Set(routes.map((route) => route.path))) {
      const isOpen = PUBLIC.some((open) => open.split(' ')[1] === path);
      const statuses = await Promise.all(
        VERBS.map(async (verb) => (await requested(verb, written(path), {})).status),
      );
      const isShut = (status: number) => (isOpen ? status < 500 : [400, 401, 403, 404, 405].includes(status));
      if (!statuses.every(isShut)) faults.push(`${written(path)} without a credential: ${statuses.join()}`);
    }
    for (const { verb, path } of routes) {
      const target = written(path);
      const isOpen = PUBLIC.some((open) => open.split(' ')[1] === path);
      for (const name of ['nothing', 'a refresh token', 'an API key as bearer']) {
        const answer = await requested(verb, target, credentials[name] ?? {});
        const isKeyAtWork = name === 'an API key as bearer' && /^\/+(v1|connect)\//i.test(path);
        const isShut = [400, 401, 403, 404, 405].includes(answer.status);
        if (isOpen || isKeyAtWork ? answer.status >= 500 : !isShut) {
          faults.push(`${verb} ${target} with ${name}: ${answer.status}`);
        }
      }
    }
    expect(faults).toEqual([]);
  });
});
