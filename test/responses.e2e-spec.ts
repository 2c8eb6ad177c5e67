import type { Response as OpenAiResponse } from 'openai/resources/responses/responses';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { eventsOf } from './support/response-events';

const MODEL = 'opencode-llm';
const said = (steps: object) => `SIM:${JSON.stringify(steps)}`;

const WEATHER = {
  type: 'function',
  name: 'weather',
  description: 'Tells it',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};

describe('POST /v1/responses', () => {
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

  const ask = (body: object) => gateway.post('/v1/responses', user.key, { model: MODEL, ...body });
  const asked = () =>
    gateway.simulator.journal.entries
      .filter(({ path }) => path.endsWith('completions'))
      .map(({ body }) => body as Record<string, unknown>);
  const wholeOf = async (answer: Response) => (await answer.json()) as OpenAiResponse;

  it('answers with a response, and bills what it says', async () => {
    const answer = await ask({ input: said({ reasoning: 'Hm', text: 'Well met' }), temperature: 0.5 });
    expect([answer.status, answer.headers.get('x-ratelimit-limit-tokens')]).toEqual([200, '1000000']);
    const response = await wholeOf(answer);
    expect(response).toEqual({
      id: expect.stringMatching(/^resp_/),
      object: 'response',
      access_programs: null,
      created_at: expect.any(Number),
      status: 'completed',
      background: false,
      error: null,
      incomplete_details: null,
      instructions: null,
      metadata: {},
      model: MODEL,
      output: [
        {
          id: expect.stringMatching(/^rs_/),
          type: 'reasoning',
          status: 'completed',
          summary: [],
          content: [{ type: 'reasoning_text', text: 'Hm' }],
        },
        {
          id: expect.stringMatching(/^msg_/),
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Well met', annotations: [], logprobs: [] }],
        },
      ],
      temperature: 0.5,
      top_p: null,
      max_output_tokens: null,
      parallel_tool_calls: true,
      tool_choice: 'auto',
      reasoning: { effort: null, summary: null },
      previous_response_id: null,
      store: false,
      text: { format: { type: 'text' } },
      tools: [],
      truncation: 'disabled',
      usage: expect.any(Object),
    });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ endpoint: 'responses', outcome: 'completed', source: 'exact' });
    expect(response.usage).toEqual({
      input_tokens: row?.prompt_tokens,
      input_tokens_details: { cached_tokens: row?.cached_tokens, cache_write_tokens: 0 },
      output_tokens: row?.completion_tokens,
      output_tokens_details: { reasoning_tokens: row?.reasoning_tokens },
      total_tokens: Number(row?.prompt_tokens) + Number(row?.completion_tokens),
    });
    expect(response.usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
  });

  it('says that max_output_tokens cut it short, streamed and not', async () => {
    const body = { input: said({ tokens: 9 }), max_output_tokens: 3 };
    const cut = { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
    const output = [expect.objectContaining({ status: 'incomplete' })];
    expect(await wholeOf(await ask(body))).toMatchObject({ ...cut, output, max_output_tokens: 3 });
    const events = eventsOf(await (await ask({ ...body, stream: true })).text());
    expect(events.at(-1)).toMatchObject({ type: 'response.incomplete', response: { ...cut, output } });
  });

  it('streams a response item by item, in UTF-8, and ends with all of it and its usage', async () => {
    const steps = {
      reasoning: 'Hm 中',
      text: 'I look: 東',
      tool: { name: 'weather', arguments: { city: 'Köln' } },
    };
    const answer = await ask({ input: said(steps), tools: [WEATHER], stream: true });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const text = await answer.text();
    expect(text).not.toContain('[DONE]');
    const events = eventsOf(text);
    const kinds = events.map(({ type, output_index: at }) => (at === undefined ? type : `${at} ${type}`));
    const order = kinds.filter((kind, at) => kind !== kinds[at - 1]);
    const ofText = (at: number, name: string) =>
      [
        'output_item.added',
        'content_part.added',
        `${name}.delta`,
        `${name}.done`,
        'content_part.done',
        'output_item.done',
      ].map((type) => `${at} response.${type}`);
    const texts = order.some((kind) => kind.includes('output_text')) ? ofText(1, 'output_text') : [];
    const callAt = texts.length > 0 ? 2 : 1;
    expect(order).toEqual([
      'response.created',
      'response.in_progress',
      ...ofText(0, 'reasoning_text'),
      ...texts,
      `${callAt} response.output_item.added`,
      `${callAt} response.function_call_arguments.delta`,
      `${callAt} response.function_call_arguments.done`,
      `${callAt} response.output_item.done`,
      'response.completed',
    ]);
    const grown = (type: string) =>
      events.map((event) => (event.type === `response.${type}.delta` ? event.delta : '')).join('');
    expect(grown('reasoning_text')).toBe('Hm 中');
    expect(JSON.parse(grown('function_call_arguments'))).toEqual({ city: 'Köln' });
    const [row] = await settledRows(gateway, user.id);
    const response = events.at(-1)?.response;
    const done = events.filter(({ type }) => type === 'response.output_item.done');
    expect(response?.output).toEqual(done.map(({ item }) => item));
    expect(response).toMatchObject({
      id: events[0]?.response?.id,
      status: 'completed',
      usage: { output_tokens: row?.completion_tokens },
    });
    expect(row).toMatchObject({ endpoint: 'responses', stream: true, source: 'exact' });
  });

  it('asks vLLM for the chat that it is', async () => {
    const image = { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' };
    await ask({
      instructions: 'You help.',
      input: [
        { role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Where does it rain?' }] },
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [],
          content: [{ type: 'reasoning_text', text: 'A tool.' }],
        },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'I look.', annotations: [] }],
        },
        { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Bonn"}' },
        { type: 'function_call', call_id: 'call_2', namespace: 'mcp', name: 'map', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'call_1',
          output: [{ type: 'input_text', text: 'rain' }, image],
        },
        { type: 'function_call_output', call_id: 'call_2', output: 'a map' },
        { type: 'reasoning', summary: [], encrypted_content: 'gAAA' },
        { type: 'web_search_call', id: 'ws_1', status: 'completed' },
        { role: 'user', content: 'And now?' },
      ],
      tools: [
        WEATHER,
        { type: 'web_search' },
        { type: 'namespace', name: 'mcp', description: 'x', tools: [{ type: 'function', name: 'map' }] },
      ],
      tool_choice: { type: 'function', name: 'weather' },
      parallel_tool_calls: false,
      max_output_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      text: { format: { type: 'json_schema', name: 'out', schema: { type: 'object' }, strict: true } },
      reasoning: { effort: 'low', summary: 'auto' },
      chat_template_kwargs: { enable_thinking: true },
      store: true,
      truncation: 'auto',
      user: 'somebody',
      metadata: { a: 'b' },
      service_tier: 'auto',
      prompt_cache_key: 'x',
      include: ['reasoning.encrypted_content'],
      client_metadata: { thread: 'x' },
      previous_response_id: null,
      background: false,
    });
    const [{ cache_salt: salt, ...request } = {}] = asked();
    expect(salt).toEqual(expect.any(String));
    const called = (id: string, name: string, given: string) => ({
      id,
      type: 'function',
      function: { name, arguments: given },
    });
    expect(request).toEqual({
      model: 'served',
      max_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      messages: [
        { role: 'system', content: 'You help.\n\nBe brief.' },
        { role: 'user', content: 'Where does it rain?' },
        {
          role: 'assistant',
          reasoning: 'A tool.',
          content: 'I look.',
          tool_calls: [called('call_1', 'weather', '{"city":"Bonn"}'), called('call_2', 'mcp__map', '{}')],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
        { role: 'tool', tool_call_id: 'call_2', content: 'a map' },
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: image.image_url, detail: 'auto' } }],
        },
        { role: 'user', content: 'And now?' },
      ],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells it',
            parameters: WEATHER.parameters,
            strict: false,
          },
        },
        {
          type: 'function',
          function: { name: 'mcp__map', parameters: { type: 'object', properties: {} } },
        },
      ],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'out', schema: { type: 'object' }, strict: true },
      },
      reasoning_effort: 'low',
      chat_template_kwargs: { enable_thinking: true },
    });
  });

  it.each([false, true])(
    'calls a tool of a namespace by the names its client has (stream: %s)',
    async (stream) => {
      const tools = [{ type: 'namespace', name: 'mcp__maps', tools: [{ ...WEATHER, name: 'find' }] }];
      const input = said({ tool: { name: 'mcp__maps__find', arguments: { city: 'Bonn' } } });
      const answer = await ask({ input, tools, stream });
      const response = stream ? eventsOf(await answer.text()).at(-1)?.response : await wholeOf(answer);
      expect(response?.output).toEqual([
        {
          id: expect.stringMatching(/^fc_/),
          type: 'function_call',
          status: 'completed',
          call_id: expect.any(String),
          namespace: 'mcp__maps',
          name: 'find',
          arguments: '{"city":"Bonn"}',
        },
      ]);
    },
  );
});
