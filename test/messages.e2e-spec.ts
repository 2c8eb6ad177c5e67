import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { leaveTokens } from './support/room-left';
import { call } from './support/stream-client';

const MODEL = 'opencode-llm';
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

interface MessageEvent {
  readonly type: string;
  readonly index?: number;
  readonly delta?: Record<string, unknown>;
  readonly usage?: object;
}

/** Each event's name stands before its data, which says it again. */
function eventsOf(text: string): MessageEvent[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [name, data] = frame.split('\n') as [string, string];
      const event = JSON.parse(data.replace(/^data: /, '')) as MessageEvent;
      expect(name).toBe(`event: ${event.type}`);
      return event;
    });
}

describe('POST /v1/messages', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: {
        models: [{ id: 'served', maxModelLen: 32_768 }],
        reasoning: true,
        promptTokensDetails: true,
      },
    });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    user = await gateway.register();
  });

  const post = (body: object, path = '/v1/messages', headers: Record<string, string> = {}) =>
    gateway.post(
      path,
      user.key,
      { model: MODEL, ...body },
      { 'anthropic-version': '2023-06-01', ...headers },
    );
  const ask = (body: object) => post({ max_tokens: 100, ...body });
  const asked = () =>
    gateway.simulator.journal.entries
      .filter(({ path }) => path.endsWith('completions'))
      .map(({ body }) => body as Record<string, unknown>);
  const errorOf = async (answer: Response) => ({ status: answer.status, body: await answer.json() });
  const failure = (type: string, message: RegExp) => ({
    type: 'error',
    error: { type, message: expect.stringMatching(message) },
  });

  it('answers with a message, and bills what it says', async () => {
    const answer = await ask({ messages: said({ reasoning: 'Hm', text: 'Well met' }) });
    const message = (await answer.json()) as { usage: Record<string, number> };
    expect([answer.status, answer.headers.get('x-ratelimit-limit-tokens')]).toEqual([200, '1000000']);
    expect(message).toEqual({
      id: expect.any(String),
      type: 'message',
      role: 'assistant',
      model: MODEL,
      content: [
        { type: 'thinking', thinking: 'Hm', signature: expect.any(String) },
        { type: 'text', text: 'Well met' },
      ],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: expect.any(Object),
    });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ endpoint: 'messages', outcome: 'completed', source: 'exact' });
    const { input_tokens: input, cache_read_input_tokens: cached, output_tokens: output } = message.usage;
    expect([row?.prompt_tokens, row?.completion_tokens]).toEqual([(input ?? 0) + (cached ?? 0), output]);
  });

  it('streams a message block by block, in UTF-8', async () => {
    const tools = [{ name: 'weather', input_schema: { properties: { city: { type: 'string' } } } }];
    const steps = { reasoning: 'Hm 中', tool: { name: 'weather', arguments: { city: 'Köln' } } };
    const answer = await ask({ messages: said(steps), tools, stream: true });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = eventsOf(await answer.text());
    const kinds = events.map(({ type, index }) => (index === undefined ? type : `${type} ${index}`));
    expect(kinds.filter((kind, at) => kind !== kinds[at - 1])).toEqual([
      'message_start',
      'content_block_start 0',
      'content_block_delta 0',
      'content_block_stop 0',
      'content_block_start 1',
      'content_block_delta 1',
      'content_block_stop 1',
      'message_delta',
      'message_stop',
    ]);
    const grown = (key: string) => events.map(({ delta }) => delta?.[key] ?? '').join('');
    expect([grown('thinking'), JSON.parse(grown('partial_json'))]).toEqual(['Hm 中', { city: 'Köln' }]);
    const [row] = await settledRows(gateway, user.id);
    const end = events.find(({ type }) => type === 'message_delta');
    expect(end?.delta).toEqual({ stop_reason: 'tool_use', stop_sequence: null });
    expect(end?.usage).toMatchObject({ output_tokens: row?.completion_tokens });
    expect(row).toMatchObject({ endpoint: 'messages', stream: true, source: 'exact' });
  });

  it('asks vLLM for the chat that it is', async () => {
    await ask({
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=1' },
        { type: 'text', text: 'You help.' },
      ],
      messages: [
        { role: 'user', content: 'What is the weather?' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'A tool.', signature: 'x' },
            { type: 'text', text: 'I look.' },
            { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Bonn' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: [{ type: 'text', text: 'rain' }] },
            { type: 'text', text: 'And now?', cache_control: { type: 'ephemeral' } },
          ],
        },
        { role: 'system', content: ' Be brief.' },
      ],
      tools: [{ name: 'weather', description: 'Tells it', input_schema: { properties: {} } }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      stop_sequences: ['END'],
      thinking: { type: 'disabled' },
      output_config: { format: { type: 'json_schema', schema: { type: 'object' } }, effort: 'low' },
      temperature: 0.5,
      top_k: 5,
      metadata: { user_id: 'somebody' },
      context_management: { edits: [] },
    });
    const [{ cache_salt: salt, ...request } = {}] = asked();
    expect(salt).toEqual(expect.any(String));
    expect(request).toEqual({
      model: 'served',
      max_tokens: 100,
      temperature: 0.5,
      top_k: 5,
      stop: ['END'],
      messages: [
        { role: 'system', content: 'You help. Be brief.' },
        { role: 'user', content: 'What is the weather?' },
        {
          role: 'assistant',
          reasoning: 'A tool.',
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Bonn"}' } },
          ],
          content: 'I look.',
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
        { role: 'user', content: 'And now?' },
      ],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells it',
            parameters: { type: 'object', properties: {} },
          },
        },
      ],
      tool_choice: 'required',
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' } } },
      reasoning_effort: 'low',
      chat_template_kwargs: { enable_thinking: false, thinking: false },
    });
  });

  it('bills a stream that is left by what vLLM had counted, and stops it', async () => {
    const body = { model: MODEL, max_tokens: 500, stream: true, messages: said({ tokens: 400, tbtMs: 10 }) };
    await call({
      url: gateway.url,
      path: '/v1/messages',
      credential: user.key,
      body,
      hangUpAfterBytes: 2_000,
    });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'client_closed', source: 'exact', endpoint: 'messages' });
    await gateway.simulator.journal.waitForIdle(5_000);
    const [entry] = gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('completions'));
    expect(row?.prompt_tokens).toBe(entry?.promptTokens);
    expect(row?.completion_tokens).toBeGreaterThan(3);
    expect(row?.completion_tokens).toBeLessThanOrEqual(entry?.completionTokens ?? 0);
    expect(entry?.completionTokens).toBeLessThan(400);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('holds to a limit, in words that no client repeats', async () => {
    await leaveTokens(gateway, user.id, 60);
    const clamped = await ask({ messages: said({ tokens: 90 }) });
    expect(await clamped.json()).toMatchObject({ stop_reason: 'max_tokens' });
    expect(Number(clamped.headers.get('x-llm-clamped-max-tokens'))).toBeLessThan(60);
    const refused = await ask({ messages: said({ tokens: 90 }) });
    expect(await errorOf(refused)).toEqual({
      status: 402,
      body: failure('billing_error', /^The token quota of your account is used up this month[^0-9]*$/),
    });
  });

  it.each<[string, object]>([
    ['dies', { tokens: 9, dieAfterChunks: 4 }],
    ['ends too early', { tokens: 9, endAfterChunks: 4 }],
    ['fails', { tokens: 9, errorFrameAfterChunks: 4 }],
  ])('ends a stream whose vLLM %s with an error, and no end of a message', async (_, steps) => {
    const answer = await ask({ messages: said(steps), stream: true });
    const events = eventsOf(await answer.text());
    expect(events.at(-1)).toEqual(failure('api_error', /^The /));
    expect(events.map(({ type }) => type)).not.toContain('message_stop');
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'upstream_error', endpoint: 'messages' });
  });

  it('takes the paths that clients make: with a query and a slash more', async () => {
    for (const path of ['/v1/messages?beta=true', '//v1/messages', '/v1/messages/']) {
      const answer = await post({ max_tokens: 5, messages: said({ tokens: 2 }) }, path);
      expect([path, answer.status]).toEqual([path, path.startsWith('//') ? 404 : 200]);
    }
  });
});
