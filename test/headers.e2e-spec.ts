import { setTimeout as sleep } from 'node:timers/promises';
import { ANSWER_HEADERS } from './support/answer-headers';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { responsesIn } from './support/raw-responses';
import { CHAT, NOTHING_LEFT, says, Wire } from './support/wire';

const CANARY = 'canary-4711';
/** What clients, proxies and attackers send; none of it is vLLM's business. */
const CLIENT_HEADERS = [
  'cookie: session',
  'x-request-id: request',
  'x-forwarded-for: 10.0.0.1',
  'x-forwarded-host: host',
  'x-forwarded-proto: https',
  'x-real-ip: 10.0.0.1',
  'forwarded: for',
  'via: 1.1',
  'proxy-authorization: Basic',
  'proxy-connection: keep-alive',
  'x-api-key-2: key',
  'x-original-url: /metrics',
  'x-rewrite-url: /metrics',
  'x-http-method-override: DELETE',
  'x-portkey-custom-host: http://evil.example',
  'x-vllm-priority: -9',
  'x-data-parallel-rank: 1',
  'x-session-id: session',
  'traceparent: 00',
  'tracestate: a',
  'baggage: a',
  'openai-organization: org',
  'user-agent: agent',
  'origin: https://evil.example',
  'referer: https://evil.example/',
  'accept: text/html',
  'accept-encoding: gzip',
  'te: trailers',
  'trailer: x-late',
  'range: bytes',
  'if-none-match: etag',
  'max-forwards: 0',
].map((header) => `${header}-${CANARY}`);

const UPSTREAM_HEADERS = {
  server: 'uvicorn',
  'set-cookie': 'sticky=1',
  'x-powered-by': 'vLLM 0.32',
  'x-request-id': 'theirs',
  via: '1.1 inner-proxy',
  'access-control-allow-origin': '*',
  location: 'http://10.0.0.1/',
  'www-authenticate': 'Basic',
  'strict-transport-security': 'max-age=1',
  'cache-control': 'public',
  etag: '"1"',
  'x-vllm-engine': 'engine-3',
  'keep-alive': 'timeout=999',
};

describe('headers', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: { models: [{ id: 'sim', maxModelLen: 32_768 }], apiKey: 'upstream-secret' },
      settings: { VLLM_API_KEY: 'upstream-secret' },
    });
    user = await gateway.register();
    wire = new Wire(gateway, user);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  const answerTo = async (request: string) => {
    const [response] = responsesIn(await wire.open(request).closed, true);
    return response;
  };

  it.each([CHAT, '/v1/completions', '/chat/completions', `${CHAT}?a=1`])(
    'of a client at %s stay here: vLLM gets a request of our own',
    async (target) => {
      for (const stream of [false, true]) {
        const body =
          target === '/v1/completions' ? { prompt: 'hi' } : { messages: [{ role: 'user', content: 'hi' }] };
        const text = JSON.stringify({ model: 'opencode-llm', stream, max_tokens: 2, ...body });
        const answer = await answerTo(
          wire.post(text, ['connection: close, x-session-id', ...CLIENT_HEADERS], target),
        );
        expect(answer?.status).toBe(200);
        const entry = wire.dispatched.at(-1);
        expect(entry?.headers).toEqual({
          host: new URL(gateway.simulator.baseUrl).host,
          connection: 'keep-alive',
          authorization: 'Bearer upstream-secret',
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(JSON.stringify(entry?.body))),
          accept: stream ? 'text/event-stream' : 'application/json',
          'x-request-id': answer?.headers['x-request-id'],
        });
        const [row] = (await settledRows(gateway, user.id)).slice(-1);
        expect(row?.request_id).toBe(answer?.headers['x-request-id']);
      }
    },
  );

  it('and queries of a client reach vLLM on none of its routes', async () => {
    // Too long for the window by its bytes, so that vLLM is asked to count it first.
    const body = says({ tokens: 1 }, { max_tokens: 32_000, metadata: 'x'.repeat(900) });
    await answerTo(wire.post(body, ['connection: close', ...CLIENT_HEADERS], `${CHAT}?q=${CANARY}`));
    // By then an unknown name makes the gateway look again.
    await sleep(2_100);
    for (const path of ['/v1/models', '/v1/models/nope', `/v1/models/${CANARY}`]) {
      await answerTo(wire.head(`GET ${path}?q=${CANARY} HTTP/1.1`, ['connection: close', ...CLIENT_HEADERS]));
    }
    const { entries } = gateway.simulator.journal;
    expect(new Set(entries.map(({ target }) => target))).toEqual(new Set(['/tokenize', CHAT, '/v1/models']));
    const seen = JSON.stringify(entries);
    for (const secret of [CANARY, user.key, user.accessToken, user.id, user.username]) {
      expect(seen).not.toContain(secret);
    }
  });

  it.each<[string, number, object, object]>([
    ['an answer', 200, {}, {}],
    ['a stream', 200, {}, { stream: true }],
    ['a refusal', 400, { status: 400 }, {}],
    ['a busy server', 429, { status: 429, retryAfter: 3 }, {}],
    ['a failure', 502, { status: 500 }, { stream: true }],
    ['a redirect', 502, { redirectTo: 'http://127.0.0.1:1/' }, {}],
  ])('of vLLM with %s stay there', async (_, status, steps, fields) => {
    const answer = await answerTo(
      wire.post(says({ tokens: 2, responseHeaders: UPSTREAM_HEADERS, ...steps }, fields), [
        'connection: close',
      ]),
    );
    expect(answer?.status).toBe(status);
    expect(Object.keys(answer?.headers ?? {}).filter((name) => !ANSWER_HEADERS.includes(name))).toEqual([]);
    expect(answer?.headers).toMatchObject({
      'cache-control': expect.stringMatching(/^no-(store|cache)$/),
      'x-request-id': wire.dispatched.at(-1)?.requestId,
      'x-content-type-options': 'nosniff',
    });
    expect(Number(answer?.headers['retry-after'] ?? 3)).toBe(3);
  });

  it('of vLLM that are too large are a 502, and nothing is held', async () => {
    for (const stream of [false, true]) {
      const responseHeaders = { 'x-large': 'a'.repeat(20_000) };
      const answer = await answerTo(wire.post(says({ responseHeaders }, { stream }), ['connection: close']));
      expect(answer?.status).toBe(502);
      expect(answer?.body).toContain('"code":"upstream_error"');
    }
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });
});
