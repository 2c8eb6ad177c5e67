import { Agent, request } from 'node:http';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { sendRaw, statusOf } from './support/raw-http';

/** What vLLM serves beside what is served here, by its own guide to security (docs/usage/security.md), and what came since. */
const THEIRS = `
  /v1/chat/completions/batch /v1/chat/completions/render /v1/chat/completions/derender /v1/completions/render
  /v1/completions/derender /v1/audio/transcriptions /v1/audio/translations
  /v1/responses/resp_1 /v1/responses/resp_1/cancel /v1/realtime
  /v1/load_lora_adapter /v1/unload_lora_adapter /inference/v1/generate /v2/embed /v2/rerank /cohere/v2/chat
  /invocations /generative_scoring /pooling /classify /score /rerank
  /pause /resume /is_paused /scale_elastic_ep /is_scaling_elastic_ep /init_weight_transfer_engine /start_weight_update
  /update_weights /finish_weight_update /get_world_size /abort_requests
  /tokenize /detokenize /tokenizer_info /health /ping /version /load /metrics
  /server_info /reset_prefix_cache /reset_mm_cache /reset_encoder_cache /sleep /wake_up /is_sleeping /collective_rpc
  /start_profile /stop_profile /openapi.json /redoc`
  .trim()
  .split(/\s+/);
/** What both have, with the methods that are taken here. */
const BOTH_HAVE: Readonly<Record<string, readonly string[]>> = {
  '/v1/chat/completions': ['POST'],
  '/v1/completions': ['POST'],
  '/v1/embeddings': ['POST'],
  '/v1/rerank': ['POST'],
  '/v1/score': ['POST'],
  '/v1/models': ['GET', 'HEAD'],
};
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

/** Battery of the HTTP edge: what arrives on the socket need not come from a well-meaning client. */
describe('the HTTP edge', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PUBLIC_URL: 'https://llm.example' } });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  const BODY = JSON.stringify({
    model: 'opencode-llm',
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 2,
  });
  const raw = (target: string, headers: string[] = [], method = 'POST', body = BODY) =>
    sendRaw(
      gateway.url,
      [
        `${method} ${target} HTTP/1.1`,
        'host: gateway',
        `authorization: Bearer ${user.key}`,
        'content-type: application/json',
        `content-length: ${Buffer.byteLength(body)}`,
        'connection: close',
        ...headers,
        '',
        body,
      ].join('\r\n'),
      2_000,
    );
  const agent = new Agent({ keepAlive: true });
  afterAll(() => agent.destroy());
  const statusFor = (method: string, path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' };
      const outgoing = request(gateway.url + path, { method, agent, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      });
      outgoing.on('error', reject).end(method.startsWith('P') ? BODY : undefined);
    });
  /** But for the list of models, which may be read anew at any time. */
  const reached = () =>
    gateway.simulator.journal.entries.map(({ target }) => target).filter((path) => path !== '/v1/models');

  it.each([
    '/v1/../metrics',
    '/v1/%2e%2e/metrics',
    '//evil/metrics',
    '/v1\\..\\metrics',
    '/v1/..%2fmetrics',
    '/v1/..;/pause',
    '/v1/chat/completions/../../invocations',
    '/v1/chat/completions%00',
    '/v1/models/../../health',
    '/v1/models/%2e%2e%2f%2e%2e%2fhealth',
    'http://evil/v1/../invocations',
    '*',
  ])('never builds a path of vLLM from %s', async (target) => {
    const answer = await raw(target);
    expect([400, 401, 404, 405]).toContain(statusOf(answer));
    expect(answer).not.toMatch(/stack|node_modules|at \w+ \(/);
    expect(reached().filter((path) => path !== '/v1/chat/completions')).toEqual([]);
  });

  it.each(VERBS)('has none of the routes of vLLM but its own, for %s', async (method) => {
    const answers: string[] = [];
    const expected: string[] = [];
    for (const path of THEIRS) {
      for (const target of [path, `${path}/?a=b`, `/v1${path}`]) {
        if (target in BOTH_HAVE) continue;
        answers.push(`${target} ${await statusFor(method, target)}`);
        expected.push(`${target} 404`);
      }
    }
    for (const [path, taken] of Object.entries(BOTH_HAVE)) {
      if (taken.includes(method)) continue;
      answers.push(`${path} ${await statusFor(method, path)}`);
      expected.push(`${path} 405`);
    }
    expect(answers).toEqual(expected);
    expect(reached()).toEqual([]);
  });

  it('shares nothing with other origins', async () => {
    for (const origin of ['https://evil.example', 'null']) {
      const plain = await fetch(`${gateway.url}/v1/models`, {
        headers: { origin, authorization: `Bearer ${user.key}` },
      });
      const preflight = await fetch(`${gateway.url}/v1/models`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET' },
      });
      for (const answer of [plain, preflight])
        expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it('names neither its software nor the type of answers to be guessed', async () => {
    const answer = await fetch(`${gateway.url}/health/live`);
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('server')).toBeNull();
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('shapes every failure for its route: problem details, OpenAI, never HTML', async () => {
    const failures = [
      ['/nowhere', 404, 'application/problem+json'],
      ['/users/me', 401, 'application/problem+json'],
      ['/v1/nowhere', 404, 'application/json'],
      ['/v1/models', 401, 'application/json'],
      ['/chat/nowhere', 404, 'application/json'],
    ] as const;
    for (const [path, status, type] of failures) {
      const answer = await fetch(gateway.url + path);
      const body = (await answer.json()) as { error?: { message: string }; detail?: string };
      expect([answer.status, answer.headers.get('content-type')]).toEqual([status, type]);
      expect(typeof (type === 'application/json' ? body.error?.message : body.detail)).toBe('string');
    }
  });

  it('asks for the key before it reads the body', async () => {
    const answer = await sendRaw(
      gateway.url,
      'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30000000\r\n\r\n{',
      1_000,
    );
    expect(statusOf(answer)).toBe(401);
  });

  it('answers a body above the limit with 413, declared or not, and takes one below it', async () => {
    const declared = await sendRaw(
      gateway.url,
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user.key}\r\ncontent-type: application/json\r\ncontent-length: 40000000\r\n\r\n{`,
      1_000,
    );
    expect(statusOf(declared)).toBe(413);
    const chunked = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
      });
      outgoing.on('response', (response) => {
        resolve(response.statusCode);
        outgoing.destroy();
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EPIPE' ? undefined : reject(error),
      );
      for (let sent = 0; sent < 34; sent += 1) outgoing.write(Buffer.alloc(1_048_576, 0x20));
    });
    expect(chunked).toBe(413);
    expect(reached()).toEqual([]);
  });

  it('serves pipelined requests in their order', async () => {
    const one = (tokens: number) => {
      const body = JSON.stringify({
        model: 'opencode-llm',
        messages: [{ role: 'user', content: `SIM:${JSON.stringify({ tokens, tbtMs: tokens })}` }],
        stream: tokens % 2 === 0,
      });
      return `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user.key}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    };
    const answer = await sendRaw(gateway.url, one(8) + one(3) + one(6), 2_500);
    const kinds = answer.match(/content-type: [^\r]*/g);
    expect(kinds).toEqual([
      'content-type: text/event-stream; charset=utf-8',
      'content-type: application/json',
      'content-type: text/event-stream; charset=utf-8',
    ]);
    expect(answer.match(/\[DONE\]/g)).toHaveLength(2);
  });

  it('answers Expect: 100-continue, HEAD and verbs a route does not have', async () => {
    expect(await raw('/v1/chat/completions', ['expect: 100-continue'])).toMatch(/200 OK/);
    expect(statusOf(await raw('/v1/models', [], 'HEAD', ''))).toBe(200);
    expect(statusOf(await raw('/v1/chat/completions', [], 'GET', ''))).toBe(405);
    expect(statusOf(await raw('/v1/models', [], 'DELETE', ''))).toBe(405);
  });

  it('survives documents that are made to be slow', async () => {
    const chat = (fields: object) =>
      gateway.post('/v1/chat/completions', user.key, { ...JSON.parse(BODY), ...fields });
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, index]));
    expect((await chat(many)).status).toBe(400);
    expect(
      (await chat({ messages: Array.from({ length: 200_000 }, () => ({ role: 'user', content: '' })) }))
        .status,
    ).toBe(400);
    expect((await chat({ tools: Array.from({ length: 10_000 }, () => ({})) })).status).toBe(400);
    const deep = `{"model":"opencode-llm","messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect((await gateway.post('/v1/chat/completions', user.key, deep)).status).toBe(400);
    expect(reached()).toEqual([]);
  });
});
