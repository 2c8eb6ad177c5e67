import { startGateway, TestGateway, TestUser } from './support/gateway';

const MODEL = 'same-name';
const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'read_file',
      parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
    },
  },
];
const CHAT = '/v1/chat/completions';
const said = (content: string) => ({ messages: [{ role: 'user', content }] });
const streamed = (options?: object) => ({ stream: true, ...(options && { stream_options: options }) });

/**
 * Without what no two answers have in common: ids and the time. vLLM puts its fingerprint beside the usage that the
 * gateway always asks for, so it goes with it from streams of those who did not.
 */
const lasting = (text: string): string =>
  text
    .replace(/"id":"[^"]*"/g, '"id":"*"')
    .replace(/"created":\d+/g, '"created":0')
    .replace(/,"system_fingerprint":"[^"]*"/g, '');

describe('an answer through the gateway', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ simulator: { models: [{ id: MODEL, maxModelLen: 8_192 }] } });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const direct = (path: string, body: object) =>
    fetch(new URL(path, gateway.simulator.baseUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  const CASES: [name: string, path: string, body: object][] = [
    ['chat', CHAT, said('plain')],
    ['a stream of chat', CHAT, { ...said('stream'), ...streamed() }],
    ['a stream with usage', CHAT, { ...said('usage'), ...streamed({ include_usage: true }) }],
    [
      'a stream with usage in each event',
      CHAT,
      { ...said('continuous'), ...streamed({ include_usage: true, continuous_usage_stats: true }) },
    ],
    ['a tool call', CHAT, { ...said('tool'), tools: TOOLS, tool_choice: 'required' }],
    [
      'a stream of a tool call',
      CHAT,
      { ...said('tools'), tools: TOOLS, tool_choice: 'required', ...streamed() },
    ],
    ['log probabilities', CHAT, { ...said('odds'), logprobs: true, top_logprobs: 2 }],
    ['a stream of log probabilities', CHAT, { ...said('stream of odds'), logprobs: true, ...streamed() }],
    ['reasoning', CHAT, said('SIM:{"reasoning":4,"tokens":6}')],
    ['a stream of reasoning', CHAT, { ...said('SIM:{"reasoning":5,"tokens":6}'), ...streamed() }],
    [
      'text that is not ASCII',
      CHAT,
      { ...said('SIM:{"text":"größer — 漢字 🌍 \\u2028 \\"x\\""}'), ...streamed() },
    ],
    ['a completion', '/v1/completions', { prompt: 'once' }],
    ['a stream of a completion', '/v1/completions', { prompt: 'upon', ...streamed() }],
    ['completions of two prompts', '/v1/completions', { prompt: ['a time', 'there was'], echo: true }],
  ];

  it.each(CASES.flatMap(([name, path, body]) => [1, 3].map((n) => ({ name, path, body, n }))))(
    'has the very bytes of vLLM, ids apart: $name, n = $n',
    async ({ path, body, n }) => {
      const asked = { model: MODEL, max_tokens: 12, seed: 7, n, ...body };
      const fromVllm = await direct(path, asked);
      const relayed = await gateway.post(path, user.key, asked);
      const expected = await fromVllm.text();
      expect([fromVllm.status, relayed.status]).toEqual([200, 200]);
      expect(lasting(await relayed.text())).toBe(lasting(expected));
      expect(relayed.headers.get('content-type')).toBe(fromVllm.headers.get('content-type'));
    },
  );
});
