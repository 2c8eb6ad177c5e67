import { startGateway, TestGateway, TestUser } from './support/gateway';
import { sendRaw, statusOf } from './support/raw-http';
import { responsesIn } from './support/raw-responses';

const BODY = JSON.stringify({
  model: 'opencode-llm',
  messages: [{ role: 'user', content: 'hi' }],
  max_tokens: 2,
});

/** Hot routes, the same by way of Express, management, OAuth2, pages, and what is not there. */
const EVERYWHERE = [
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/chat/completions?api-version=1'],
  ['POST', '/v1/completions'],
  ['POST', '/chat/completions'],
  ['GET', '/v1/models'],
  ['GET', '/users/me'],
  ['POST', '/auth/token'],
  ['GET', '/auth/register'],
  ['GET', '/health/live'],
  ['GET', '/nowhere'],
] as const;

/** A header each. */
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `x-${index}: 1`);

describe('the head of a request', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PUBLIC_URL: 'https://llm.example' } });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  const dispatched = () =>
    gateway.simulator.journal.entries.map(({ target }) => target).filter((path) => path !== '/v1/models');

  /** With five headers of its own, and the credential that its path takes. */
  function send(method: string, path: string, headers: readonly string[] = []): Promise<string> {
    const body = method === 'POST' ? BODY : '';
    const credential = path.startsWith('/v1') ? user.key : user.accessToken;
    const head = [
      `${method} ${path} HTTP/1.1`,
      'host: gateway',
      `authorization: Bearer ${credential}`,
      'content-type: application/json',
      `content-length: ${body.length}`,
      'connection: close',
      ...headers,
    ];
    return sendRaw(gateway.url, [...head, '', body].join('\r\n'), 2_000);
  }

  /** The status, and the code in the envelope that belongs to the path. */
  function failureOf(answer: string, path: string): [number, unknown] {
    const [response] = responsesIn(answer);
    const { status, headers, body } = response ?? { status: 0, headers: {}, body: '' };
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    const said = JSON.parse(body) as { error?: unknown; code?: unknown };
    const isOpenAi = /^\/(v1|chat)\//.test(path);
    const isOAuth = path.startsWith('/auth/token');
    expect(headers['content-type']).toBe(
      isOpenAi || isOAuth ? 'application/json' : 'application/problem+json',
    );
    if (isOpenAi) return [status, (said.error as { code: unknown }).code];
    return [status, isOAuth ? said.error : said.code];
  }

  it.each(EVERYWHERE)('is refused where it is too large, at %s %s', async (method, path) => {
    const longer = `${path}${path.includes('?') ? '&' : '?'}q=${'a'.repeat(20_480)}`;
    expect(failureOf(await send(method, path, [`x-big: ${'a'.repeat(17 * 1_024)}`]), path)).toEqual([
      431,
      'headers_too_large',
    ]);
    // For Node's parser the path is a part of the head; it does not tell which part was too long.
    expect(failureOf(await send(method, longer), path)).toEqual([431, 'headers_too_large']);
    expect(dispatched()).toEqual([]);
  });

  it.each(EVERYWHERE)('may have 100 headers and no more, at %s %s', async (method, path) => {
    for (const count of [101, 500, 1_200]) {
      expect(failureOf(await send(method, path, many(count - 5)), path)).toEqual([431, 'headers_too_large']);
    }
    expect(dispatched()).toEqual([]);
    expect(statusOf(await send(method, path, many(100 - 5)))).toBe(statusOf(await send(method, path)));
  });

  it.each(EVERYWHERE)('may not have a method that nobody knows, at %s %s', async (method, path) => {
    const answer = await send('FOO', path);
    const isThere = path !== '/nowhere';
    const code = path.startsWith('/auth/token') ? 'invalid_request' : 'method_not_allowed';
    expect(failureOf(answer, path)).toEqual(isThere ? [405, code] : [404, 'not_found']);
    const allow = /\r\nallow: (.*)\r\n/.exec(answer)?.[1]?.split(', ') ?? [];
    expect(allow.includes(method)).toBe(isThere);
  });

  it.each<[string, number]>([
    ['FOO /v1/models/%FF HTTP/1.1', 400],
    ['FOO http://evil.example/v1/models HTTP/1.1', 400],
    ['FOO * HTTP/1.1', 400],
    ['FOO /v1/models', 400],
    ['FOO /v1/models HTTP/2.0', 400],
    [`${'O'.repeat(64)} /v1/models?a=b HTTP/1.1`, 405],
    ['CONNECT evil.example:443 HTTP/1.1', 405],
    ['CONNECT /v1/models HTTP/1.1', 405],
    ['GET evil.example:443 HTTP/1.1', 400],
    // The first one is answered first.
    ['GET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\nFOO /v1/models HTTP/1.1', 401],
  ])('that begins with %s is answered with %i', async (line, status) => {
    const answer = await sendRaw(gateway.url, `${line}\r\nhost: gateway\r\n\r\n`, 1_000);
    expect(statusOf(answer)).toBe(status);
    expect(answer).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/);
    expect(answer).not.toContain('evil.example');
  });

  it.each<[string, string[], number]>([
    ['an odd Host', ['host: a/?x='], 401],
    ['a foreign Host', ['host: evil.example'], 401],
    ['a foreign Host said to have been forwarded', ['host: x', 'x-forwarded-host: evil.example'], 401],
    ['an empty Host', ['host:'], 401],
    ['no Host', [], 400],
    ['two Hosts', ['host: gateway', 'host: evil.example'], 400],
    ['two Hosts, one empty', ['host:', 'HOST: evil.example'], 400],
  ])('with %s is routed by its path or refused, and nothing is built from it', async (_, headers, status) => {
    for (const path of ['/users/me', '/v1/models', '/docs-json', '/.well-known/opencode', '/auth/register']) {
      const answer = await sendRaw(
        gateway.url,
        [`GET ${path} HTTP/1.1`, ...headers, 'connection: close', '', ''].join('\r\n'),
        2_000,
      );
      const isOpen = !['/users/me', '/v1/models'].includes(path);
      expect(statusOf(answer)).toBe(status === 401 && isOpen ? 200 : status);
      expect(answer).not.toContain('evil.example');
      expect(answer).not.toContain('a/?x=');
      if (path !== '/v1/models' && path !== '/auth/register') expect(answer).toContain('https://llm.example');
    }
    expect(dispatched()).toEqual([]);
  });

  it('may name no host in HTTP/1.0', async () => {
    const answer = await sendRaw(gateway.url, 'GET /health/live HTTP/1.0\r\n\r\n', 1_000);
    expect(statusOf(answer)).toBe(200);
  });
});
