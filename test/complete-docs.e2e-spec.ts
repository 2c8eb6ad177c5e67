import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIObject, ResponseObject, SchemaObject } from '@nestjs/swagger';
import { startGateway, TestGateway } from './support/gateway';

const ROOT = join(__dirname, '..');
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');

/** The codes of failures that stand in the sources. The simulator speaks as vLLM does, not as the gateway. */
function thrownCodes(below: RegExp = /^(?!simulator)/): string[] {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && below.test(file),
  );
  const codes = sources.flatMap((file) =>
    [...read('src', file).matchAll(/(?:\bcode: |\bunauthenticated\(\s*)'([a-z_]+)'/g)].map(
      ([, code]) => code as string,
    ),
  );
  return [...new Set(codes)].sort();
}

/** What the README's table of routes names, row by row: whole paths, `…/the/end` of one, `/the/beginning…`. */
function namedRoutes(): string[][] {
  const rows = read('README.md')
    .split('\n')
    .map((line) => line.split('|')[1] ?? '')
    .filter((cell) => /`[^`]*[/…]/.test(cell));
  return rows.map((cell) =>
    [...cell.matchAll(/`(?:[A-Z]+ )?((?:\/|…)[^`\s]*)`/g)].map(([, path]) => path as string),
  );
}

/** What responses have examples of, which are named by their codes. */
const codesOf = (responses: Record<string, unknown>): string[] =>
  (Object.values(responses) as ResponseObject[]).flatMap(({ content = {} }) =>
    Object.values(content).flatMap(({ examples = {} }) => Object.keys(examples)),
  );

function isNamed(path: string, row: readonly string[]): boolean {
  return row.some((named) => {
    if (named.endsWith('…')) return path.startsWith(named.slice(0, -1));
    if (!named.startsWith('…')) return path === named;
    // `…/{id}` alone says nothing: it goes on from a path of its own row.
    if (/^…\/\{\w+\}$/.test(named)) return row.some((other) => path === other + named.slice(1));
    return path.endsWith(named.slice(1));
  });
}

describe('what is written about the gateway', () => {
  let gateway: TestGateway;
  let document: OpenAPIObject;

  beforeAll(async () => {
    gateway = await startGateway();
    document = (await (await gateway.get('/docs-json', '')).json()) as OpenAPIObject;
  });
  afterAll(() => gateway.close());

  it('explains in docs/errors.md every code that a failure can have', () => {
    const codes = thrownCodes();
    expect(codes).toEqual(
      expect.arrayContaining(['insufficient_quota', 'invalid_token', 'last_admin', 'upstream_busy']),
    );
    const errors = read('docs', 'errors.md');
    expect(codes.filter((code) => !errors.includes(`\`${code}\``))).toEqual([]);
  });

  it('says in the document of what routes throw on which route that is', () => {
    const operations = Object.values(document.paths).flatMap(({ get, put, post, patch, delete: remove }) =>
      [get, put, post, patch, remove].filter((operation) => operation !== undefined),
    );
    const told = new Set(operations.flatMap(({ responses }) => codesOf(responses)));
    const thrown = thrownCodes(/^(auth|users|openai-compat|administration|usage)\//);
    expect(thrown.filter((code) => !told.has(code))).toEqual([]);
    const list = document.info.description ?? '';
    expect(thrown.filter((code) => !list.includes(`id="errors-${code}"`))).toEqual([]);
  });

  it.each<[route: string, statuses: [status: number, code: string][]]>([
    [
      'post /auth/register',
      [
        [429, 'rate_limit_exceeded'],
        [503, 'busy'],
      ],
    ],
    [
      'post /auth/token',
      [
        [400, 'unsupported_grant_type'],
        [503, 'busy'],
      ],
    ],
    [
      'post /auth/password',
      [
        [400, 'weak_password'],
        [503, 'busy'],
      ],
    ],
    ['post /auth/password-reset', [[503, 'busy']]],
    ['post /auth/password-reset/check', [[503, 'busy']]],
    [
      'post /auth/register/check',
      [
        [429, 'rate_limit_exceeded'],
        [503, 'busy'],
      ],
    ],
    ...['/v1/models', '/v1/models/{id}', '/admin/models', '/connect/opencode.json'].map(
      (path): [string, [number, string][]] => [
        `get ${path}`,
        [
          [502, 'upstream_unreachable'],
          [503, 'overloaded'],
        ],
      ],
    ),
    ['get /v1/models/{id}', [[404, 'model_not_found']]],
    ...[
      '/admin/limits',
      '/admin/limits/default',
      '/admin/users/{id}/token-limit',
      '/users/me/api-keys/{id}/limits',
    ].map((path): [string, [number, string][]] => [
      `put ${path}`,
      [
        [422, 'range_too_long'],
        [503, 'busy'],
      ],
    ]),
    [
      'get /v1/usage',
      [
        [400, 'invalid_request'],
        [422, 'range_too_long'],
      ],
    ],
  ])('tells of %s what it fails with', (route, statuses) => {
    const [verb, path] = route.split(' ') as ['get' | 'put' | 'post', string];
    const responses = document.paths[path]?.[verb]?.responses ?? {};
    for (const [status, code] of statuses) {
      const { content = {} } = (responses[String(status)] ?? {}) as ResponseObject;
      expect([status, Object.values(content).flatMap(({ examples = {} }) => Object.keys(examples))]).toEqual([
        status,
        expect.arrayContaining([code]),
      ]);
    }
    expect(Object.keys((responses['200'] ?? responses['201'] ?? responses['204']) as object)).not.toEqual([]);
  });

  it('explains at /docs every code that a failure can have, where the type of a problem leads', () => {
    const list = document.info.description ?? '';
    expect(thrownCodes().filter((code) => !list.includes(`id="errors-${code}"`))).toEqual([]);
  });

  it.each(['/v1/chat/completions', '/v1/completions', '/chat/completions'])(
    'says of POST %s all that the way to vLLM may end with, and nothing that it does not',
    (path) => {
      const operation = document.paths[path]?.post;
      const codes = codesOf(operation?.responses ?? {});
      expect(thrownCodes(/^proxy\//).filter((code) => !codes.includes(code))).toEqual([]);
      expect(codes).not.toContain('invalid_request');
      expect(operation?.parameters).toEqual([
        expect.objectContaining({ in: 'header', name: 'Idempotency-Key' }),
      ]);
    },
  );

  it('says of the token routes what OAuth2 has codes for', async () => {
    for (const path of ['/auth/token', '/auth/refresh']) {
      const answer = await fetch(gateway.url + path, { method: 'POST', body: 'no form' });
      const { error } = (await answer.json()) as { error: string };
      const told = document.paths[path]?.post?.responses[String(answer.status)] as ResponseObject;
      expect([answer.status, error]).toEqual([415, 'invalid_request']);
      expect(codesOf({ told })).toEqual([error]);
    }
  });

  it('says of what is the same for everybody nothing of a database', () => {
    for (const path of ['/.well-known/opencode', '/auth/register', '/auth/password-reset']) {
      expect(codesOf(document.paths[path]?.get?.responses ?? {})).not.toContain('database_unavailable');
    }
  });

  // Whoever follows the one and then the other would find the name taken, and then the password wrong.
  it('registers somebody else in the README than in the examples of the page', () => {
    const named = [...read('README.md').matchAll(/"username":"(\w+)"|username=(\w+)/g)];
    const names = named.map(([, json, form]) => json ?? form);
    expect(names).toEqual(['hedy', 'hedy']);
    const examples = ['Register', 'CreateUser'].map((name) => {
      const { properties } = (document.components?.schemas?.[name] ?? {}) as SchemaObject;
      return (properties?.username as SchemaObject | undefined)?.example as unknown;
    });
    expect(examples).toEqual(['ada', 'grace']);
  });

  it.each(['README.md', 'docs/administration.md'])(
    'takes nothing out of a refusal with the commands of %s',
    (page) => {
      const commands = [...read(page).matchAll(/\| (sed [^\n]*'[^'\n]*')\)/g)].map(([, sed = '']) => sed);
      expect(commands.length).toBeGreaterThan(0);
      const run = (command: string, input: string) =>
        execFileSync('sh', ['-c', command], { input, encoding: 'utf8' }).trim();
      for (const command of commands) {
        expect(run(command, '{"error":"invalid_grant","error_description":"…"}')).toBe('');
        expect(run(command, '{"access_token":"found","api_key":"found"}')).toBe('found');
      }
    },
  );

  it('names every route in the README', () => {
    const rows = namedRoutes();
    const paths = Object.keys(document.paths);
    expect(paths.length).toBeGreaterThan(40);
    expect(paths.filter((path) => !rows.some((row) => isNamed(path, row)))).toEqual([]);
  });

  it('names no route in the README that is not there', () => {
    const paths = [...Object.keys(document.paths), '/metrics', '/docs'];
    const rows = namedRoutes();
    const unknown = rows.flatMap((row) =>
      row.filter((named) => {
        const only = /^…\/\{\w+\}$/.test(named) ? row : [named];
        return !paths.some((path) => isNamed(path, only));
      }),
    );
    expect(unknown).toEqual([]);
  });
});
