import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import type { OpenAPIObject, ParameterObject, SchemaObject, SecuritySchemeObject } from '@nestjs/swagger';
import { isApiKey } from '../src/auth/api-keys/api-key-token';
import { documentOf, operationsOf } from './support/documented-operations';
import { startGateway, TestGateway, TestUser } from './support/gateway';

const ROOT = join(__dirname, '..');

describe('the documentation', () => {
  let gateway: TestGateway;
  let document: OpenAPIObject;

  beforeAll(async () => {
    gateway = await startGateway();
    document = await documentOf(gateway);
  });
  afterAll(() => gateway.close());

  it('gives every route one tag, and the tags in the order of work', () => {
    const tags = (document.tags ?? []).map(({ name }) => name);
    expect(tags[0]).toBe('Auth');
    expect(tags.at(-1)).toBe('Health');
    for (const [name, { tags: own }] of operationsOf(document)) {
      expect([name, own?.length, tags.includes(own?.[0] ?? '')]).toEqual([name, 1, true]);
    }
    const used = new Set(operationsOf(document).flatMap(([, operation]) => operation.tags));
    expect(tags.filter((tag) => !used.has(tag))).toEqual([]);
  });

  it('begins with routes that are there', () => {
    const named = document.info.description?.match(/\b(GET|PUT|POST|DELETE|PATCH) \/[\w/{}-]+/g) ?? [];
    expect(named).toEqual(expect.arrayContaining(['POST /auth/register', 'GET /users/usage']));
    const known = operationsOf(document).map(([name]) => name);
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('tells of every route what it does, its credential, and what a missing one answers', () => {
    for (const [name, { summary, security, responses }] of operationsOf(document)) {
      expect([name, summary]).toEqual([name, expect.stringMatching(/^\S.{2}/)]);
      expect([name, security !== undefined]).toEqual([name, true]);
      if (security?.length)
        expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining(['401'])]);
    }
  });

  // Swagger UI fills examples in and sends them: a date of last month would be somebody's usage of last month.
  it('leaves query parameters empty until somebody fills them in', () => {
    for (const [name, { parameters }] of operationsOf(document)) {
      const filled = (parameters as ParameterObject[] | undefined)
        ?.filter((parameter) => parameter.in === 'query')
        .filter(({ example, schema }) => (example ?? (schema as SchemaObject).example) !== undefined);
      expect([name, filled ?? []]).toEqual([name, []]);
    }
  });

  it('names the credential that the route really takes', async () => {
    for (const [name, { security }] of operationsOf(document)) {
      const [verb, path] = name.split(' ') as [string, string];
      if (path === '/docs-json') continue;
      const target = path.replaceAll(/\{\w+\}/g, '00000000-0000-7000-8000-000000000000');
      const { status } = await fetch(gateway.url + target, { method: verb });
      expect([name, status === 401]).toEqual([name, Boolean(security?.length)]);
    }
  });

  it('says in which headers an API key may come, and both are taken', async () => {
    const scheme = document.components?.securitySchemes?.['api-key'] as SecuritySchemeObject;
    expect(scheme).toMatchObject({ type: 'http', scheme: 'bearer', description: expect.any(String) });
    expect(scheme.description).toContain('`x-api-key`');
    const { key } = await gateway.register();
    const ways: Record<string, string>[] = [{ authorization: `Bearer ${key}` }, { 'x-api-key': key }];
    for (const headers of ways) {
      expect((await fetch(`${gateway.url}/v1/models`, { headers })).status).toBe(200);
    }
  });

  it.each([
    ['DefaultLimit', 'null takes the default away'],
    ['InvitedLimit', 'null: no limit, not even the default one'],
    ['InvitationLimitView', 'null: no limit, not even the default one'],
  ])('says of the amount in %s what null does there', (name, description) => {
    const schema = document.components?.schemas?.[name] as SchemaObject;
    expect(schema.required).toContain('amount');
    expect(schema.properties?.amount).toMatchObject({
      type: 'integer',
      minimum: 0,
      nullable: true,
      description,
    });
  });

  it('explains the code of a problem where its type leads', async () => {
    const answer = await gateway.get('/users/me', '');
    const { type } = (await answer.json()) as { type: string };
    expect(type).toBe(`${gateway.url}/docs#errors-missing_token`);
    expect(document.info.description).toContain(
      '<li id="errors-missing_token">401 <code>missing_token</code>: ',
    );
  });

  it.each([
    ['503', 'busy', ['logins', 'passwords', 'at once', 'reports']],
    ['429', 'rate_limit_exceeded', ['limit on requests', 'at once', 'passwords', 'registrations', 'changes']],
  ])('names all that may lie behind %s %s', (status, code, causes) => {
    const entry = new RegExp(`<li id="errors-${code}">${status} [^]*?</li>`);
    const [explained = ''] = entry.exec(document.info.description ?? '') ?? [];
    expect(causes.filter((cause) => !explained.includes(cause))).toEqual([]);
  });

  it('is what npm run openapi writes, which needs no database', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'openapi-'));
    try {
      const file = join(directory, 'openapi.json');
      // Not in one piece: meanwhile the gateway, which runs in this process, would not see its connections grow old.
      await promisify(execFile)(process.execPath, [join(ROOT, 'scripts', 'openapi.js'), file], {
        cwd: directory,
        env: { PATH: process.env.PATH, DATABASE_URL: 'postgres://127.0.0.1:1/none' },
      });
      const written = JSON.parse(readFileSync(file, 'utf8')) as OpenAPIObject;
      expect(operationsOf(written).map(([name]) => name)).toEqual(
        operationsOf(document).map(([name]) => name),
      );
      expect(written.components).toEqual(document.components);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 300_000);

  it('is a page that keeps neither passwords nor refresh tokens', async () => {
    const script = await (await fetch(`${gateway.url}/docs/forget-secrets.js`)).text();
    const entries = new Map([
      ['authorized', '{"session":{"name":"session","password":"of an earlier version"}}'],
    ]);
    class Storage {
      getItem = (key: string) => entries.get(key) ?? null;
      setItem(key: string, value: string): void {
        entries.set(key, value);
      }
    }
    const localStorage = new Storage();
    runInNewContext(script, { Storage, localStorage });
    expect(entries.get('authorized')).toBe('{"session":{"name":"session"}}');
    const schema = { type: 'oauth2', flow: 'password', tokenUrl: '/auth/token' };
    const token = { access_token: 'a', token_type: 'Bearer', expires_in: 900 };
    const kept = {
      session: { name: 'session', schema, username: 'ada', token },
      'api-key': { name: 'api-key', schema: { type: 'http' }, value: 'llmk_' },
    };
    const secrets = { password: 'p', clientSecret: 'c', client_secret: 'c' };
    const session = { ...kept.session, ...secrets, token: { ...token, refresh_token: 'llmr_' } };
    localStorage.setItem('authorized', JSON.stringify({ ...kept, session }));
    expect(JSON.parse(entries.get('authorized') ?? '')).toEqual(kept);
    localStorage.setItem('other', 'no JSON');
    expect(entries.get('other')).toBe('no JSON');
  });

  it('has made-up secrets in its examples, and nothing of this gateway’s own', async () => {
    const text =
      JSON.stringify(document) + (await (await fetch(`${gateway.url}/docs/swagger-ui-init.js`)).text());
    const { JWT_SECRET = '', API_KEY_PEPPER = '', DATABASE_URL = '', DATA_DIR = '' } = gateway.env;
    const own = [JWT_SECRET, API_KEY_PEPPER, DATABASE_URL, DATA_DIR, gateway.simulator.baseUrl];
    expect(own.filter((secret) => secret.length < 8 || text.includes(secret))).toEqual([]);
    const keys = text.match(/llmk_[0-9A-Za-z]{49}/g) ?? [];
    expect([keys.length > 0, keys.filter(isApiKey)]).toEqual([true, []]);
  });

  it.each(['GET', 'HEAD'])('is what %s of the bare address leads to', async (method) => {
    for (const at of ['/', '/?x=1']) {
      const answer = await fetch(gateway.url + at, { method, redirect: 'manual' });
      expect([answer.status, answer.headers.get('location'), await answer.text()]).toEqual([302, 'docs', '']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    expect((await fetch(`${gateway.url}/`, { method })).url).toBe(`${gateway.url}/docs`);
    expect((await fetch(`${gateway.url}/`, { method: 'POST' })).status).toBe(404);
  });

  it('is a page without anything from elsewhere', async () => {
    const page = await fetch(`${gateway.url}/docs`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).not.toMatch(/(src|href)="https?:/);
    const script = await (await fetch(`${gateway.url}/docs/swagger-ui-init.js`)).text();
    expect(script).toMatch(/"persistAuthorization": true/);
    expect(script).toMatch(/"deepLinking": true/);
  });
});

describe('DOCS_ACCESS', () => {
  let gateway: TestGateway;
  const start = async (access: string): Promise<TestGateway> =>
    (gateway = await startGateway({ settings: { DOCS_ACCESS: access } }));
  afterEach(() => gateway.close());

  it('admin: the page shows how to log in, and the whole document is for admins', async () => {
    const { get, register, registerAdmin, url } = await start('admin');
    const user: TestUser = await register();
    expect((await get('/docs-json', '')).status).toBe(401);
    expect((await get('/docs-json', user.accessToken)).status).toBe(403);
    expect((await get('/docs-json', user.key)).status).toBe(403);
    const whole = await documentOf(gateway, (await registerAdmin()).accessToken);
    expect(Object.keys(whole.paths)).toContain('/admin/users/{id}/token-limit');
    const shown = await (await fetch(`${url}/docs/swagger-ui-init.js`)).text();
    expect(shown).toContain('/auth/token');
    expect(shown).not.toContain('/users/me');
    expect(shown).not.toContain('/admin');
    // Neither what other routes take and answer nor what they fail with.
    expect(shown).toContain('TokenResponse');
    expect(shown).toContain('errors-invalid_grant');
    for (const hidden of [
      'PutLimit',
      'AdminUserResponse',
      'ModelCard',
      'last_admin',
      'upstream_unreachable',
    ]) {
      expect(JSON.stringify(whole)).toContain(hidden);
      expect(shown).not.toContain(hidden);
    }
  });

  it.each(['off', 'admin'])('%s: the bare address tells nobody of a page', async (access) => {
    const { url } = await start(access);
    const answer = await fetch(`${url}/`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      404,
      expect.stringContaining('application/problem+json'),
    ]);
  });

  it('off: there is nothing', async () => {
    const { registerAdmin, get } = await start('off');
    const admin = await registerAdmin();
    for (const path of ['/docs', '/docs/', '/docs-json', '/docs-yaml', '/docs/swagger-ui-init.js']) {
      expect([path, (await get(path, admin.accessToken)).status]).toEqual([path, 404]);
    }
  });
});

describe('the page behind a path of a proxy', () => {
  const PUBLIC = 'https://llm.example/gateway';
  let gateway: TestGateway;
  const served = (url: URL) => fetch(gateway.url + url.pathname.slice('/gateway'.length));

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PUBLIC_URL: `${PUBLIC}/`, DOCS_ACCESS: 'admin' } });
  });
  afterAll(() => gateway.close());

  it.each(['/docs', '/docs/'])('at %s asks for nothing outside that path', async (path) => {
    const text = await (await fetch(gateway.url + path)).text();
    const assets = [...text.matchAll(/(?:src|href)=["']([^"']+)/g)].map(([, asset = '']) => asset);
    expect(assets.filter((asset) => asset.endsWith('.js'))).toHaveLength(6);
    for (const asset of assets) {
      const url = new URL(asset, PUBLIC + path);
      expect([asset, url.href.startsWith(`${PUBLIC}/docs/`)]).toEqual([asset, true]);
      expect([asset, (await served(url)).status]).toEqual([asset, 200]);
    }
  });

  it.each(['/gateway/docs', '/gateway/docs/', '/docs/docs', '/docs'])(
    'at %s loads the document beside it',
    async (pathname) => {
      const asked: string[] = [];
      const script = await (await fetch(`${gateway.url}/docs/load-document.js`)).text();
      const ui = {
        authSelectors: { authorized: () => ({ getIn: () => 'a token' }) },
        getStore: () => ({ subscribe: () => undefined }),
      };
      runInNewContext(script, {
        location: { pathname },
        fetch: (target: string) => {
          asked.push(target);
          return Promise.resolve({ ok: false });
        },
        window: { ui, addEventListener: (_: string, loaded: () => void) => loaded() },
      });
      expect(asked).toEqual([pathname.replace(/\/docs\/?$/, '/docs-json')]);
    },
  );

  it('names where to log in', async () => {
    const document = await documentOf(gateway, (await gateway.registerAdmin()).accessToken);
    expect(document.servers).toEqual([{ url: PUBLIC }]);
    expect(document.components?.securitySchemes?.session).toMatchObject({
      flows: { password: { tokenUrl: `${PUBLIC}/auth/token`, refreshUrl: `${PUBLIC}/auth/refresh` } },
    });
  });
});
