import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';

const MODEL = 'opencode-llm';
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

describe('what POST /v1/messages and count_tokens refuse, and count', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: { models: [{ id: 'served', maxModelLen: 32_768 }], promptTokensDetails: true },
    });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  const post = (body: object, path = '/v1/messages', headers: Record<string, string> = {}) =>
    gateway.post(path, user.key, { model: MODEL, ...body }, headers);
  const ask = (body: object) => post({ max_tokens: 100, ...body });
  const errorOf = async (answer: Response) => ({ status: answer.status, body: await answer.json() });
  const failure = (type: string, message: RegExp) => ({
    type: 'error',
    error: { type, message: expect.stringMatching(message) },
  });

  it.each<[string, object, number, ReturnType<typeof failure>]>([
    ['no max_tokens', { max_tokens: undefined }, 400, failure('invalid_request_error', /^max_tokens /)],
    ['an unknown model', { model: 'nope' }, 404, failure('not_found_error', /`nope`/)],
    ['no messages', { messages: [] }, 400, failure('invalid_request_error', /^messages must be a list/)],
    [
      'a strange block',
      { messages: [{ role: 'user', content: [{ type: 'hologram' }] }] },
      400,
      failure('invalid_request_error', /^messages\[0\]\.content\[0\] is a block of a type .*: hologram\./),
    ],
    [
      'a link to an image',
      {
        messages: [
          { role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'http://x/y' } }] },
        ],
      },
      400,
      failure('invalid_request_error', /links are not fetched here/),
    ],
    [
      'a tool that only Anthropic has',
      { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
      400,
      failure('invalid_request_error', /^tools\[0\] is of a type that only Anthropic's own models have/),
    ],
    [
      'a choice without tools',
      { tool_choice: { type: 'any' } },
      400,
      failure('invalid_request_error', /^tool_choice asks/),
    ],
    [
      'a strange block of the system',
      { system: [{ type: 'tool_addition' }] },
      400,
      failure('invalid_request_error', /^system\[0\]/),
    ],
    ['an MCP server', { mcp_servers: [{}] }, 400, failure('invalid_request_error', /^mcp_servers /)],
    [
      'a wrong tool_choice',
      { tools: [{ name: 'f', input_schema: {} }], tool_choice: { type: 'tool' } },
      400,
      failure('invalid_request_error', /^tool_choice must be of type/),
    ],
    ['an error of vLLM', { messages: said({ status: 400 }) }, 400, failure('invalid_request_error', /./)],
    ['a full queue', { messages: said({ status: 503 }) }, 503, failure('overloaded_error', /./)],
    ['a broken vLLM', { messages: said({ status: 500 }) }, 502, failure('api_error', /./)],
    [
      'an answer that is no JSON',
      { messages: said({ truncatedJson: true }) },
      502,
      failure('api_error', /./),
    ],
  ])('says what is wrong with %s in Anthropic’s envelope', async (_, body, status, expected) => {
    const answer = await ask({ messages: said({ tokens: 3 }), ...body });
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(await errorOf(answer)).toEqual({ status, body: expected });
  });

  it('says so too where nothing of a request was read', async () => {
    const unknown = await gateway.post('/v1/messages', 'llmk_nobody', {});
    // Claude Code repeats a 401 unless it is told not to.
    expect(unknown.headers.get('x-should-retry')).toBe('false');
    expect(await errorOf(unknown)).toEqual({ status: 401, body: failure('authentication_error', /API key/) });
    const session = await gateway.post('/v1/messages', user.accessToken, {});
    expect((await errorOf(session)).body).toEqual(failure('authentication_error', /./));
    const got = await gateway.get('/v1/messages', user.key);
    expect(await errorOf(got)).toEqual({ status: 405, body: failure('invalid_request_error', /POST/) });
    const text = await post({}, '/v1/messages', { 'content-type': 'text/plain' });
    expect(await errorOf(text)).toEqual({ status: 415, body: failure('invalid_request_error', /JSON/) });
    const twice = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': user.key, 'content-type': 'application/json' },
      body: '{"model":"a","model":"b"}',
    });
    expect(await errorOf(twice)).toEqual({ status: 400, body: failure('invalid_request_error', /model/) });
  });

  describe('count_tokens', () => {
    const count = (body: object) => post(body, '/v1/messages/count_tokens');

    it('tells how many tokens the prompt will have, and costs none', async () => {
      const prompt = {
        system: 'You help.',
        messages: [{ role: 'user', content: 'What is the weather in Bonn?' }],
        tools: [{ name: 'weather', input_schema: { type: 'object' } }],
      };
      const counted = await count(prompt);
      expect([counted.status, counted.headers.get('x-ratelimit-limit-tokens')]).toEqual([200, '1000000']);
      const answer = (await (await ask(prompt)).json()) as { usage: Record<string, number> };
      const { input_tokens: input, cache_read_input_tokens: cached } = answer.usage;
      expect(await counted.json()).toEqual({ input_tokens: (input ?? 0) + (cached ?? 0) });
      expect(await settledRows(gateway, user.id)).toHaveLength(1);
    });

    it('says when vLLM does not count a prompt', async () => {
      const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
      const answer = await count({ messages: [{ role: 'user', content: [image] }] });
      expect(await errorOf(answer)).toEqual({
        status: 422,
        body: failure('invalid_request_error', /images are not counted/),
      });
    });

    it('says so when vLLM does not answer', async () => {
      const settings = gateway.simulator.settings;
      settings.tokenize = 'missing';
      const answer = await count({ messages: [{ role: 'user', content: 'hi' }] });
      settings.tokenize = 'served';
      expect(await errorOf(answer)).toEqual({
        status: 502,
        body: failure('api_error', /^The model server /),
      });
    });

    it('is refused to who asks without end, and to nobody else', async () => {
      const statuses = new Map<number, number>();
      // Of what has nothing to be counted, too: that is looked at only later.
      for (let asked = 0; asked < 650; asked += 10) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => count({})));
        for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      expect([...statuses]).toEqual([
        [400, 600],
        [429, 50],
      ]);
      const other = await gateway.register();
      const body = { model: MODEL, messages: [{ role: 'user', content: 'hi' }] };
      expect((await gateway.post('/v1/messages/count_tokens', other.key, body)).status).toBe(200);
    });
  });
});
