import type { Response as OpenAiResponse } from 'openai/resources/responses/responses';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { eventsOf } from './support/response-events';

const SMALL = 2_048;
const input = 'SIM:{"text":"{}"}';
const WEATHER = {
  type: 'function',
  name: 'weather',
  description: 'Tells it – ✓',
  parameters: { type: 'object', properties: {} },
  strict: false,
};
const SPACE = {
  type: 'namespace',
  name: 'mcp',
  description: 'x',
  tools: [{ type: 'function', name: 'map' }],
};
const FORMAT = { type: 'json_schema', name: 'out', schema: { type: 'object' }, strict: true };

describe('a response repeats of its request', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const ask = (body: object) =>
    gateway.post('/v1/responses', user.key, { model: 'opencode-llm', input, ...body });
  const whole = async (body: object) => {
    const answer = await ask(body);
    expect(answer.status).toBe(200);
    return (await answer.json()) as OpenAiResponse;
  };
  const of = ({ instructions, metadata, text, tools }: OpenAiResponse) => ({
    instructions,
    metadata,
    text,
    tools,
  });

  it('what is small, in every event that tells of it, and as it was sent', async () => {
    const body = {
      instructions: 'You help – ✓.',
      metadata: { a: 'b' },
      text: { format: FORMAT },
      tools: [WEATHER, { type: 'function', name: 'bare' }, { type: 'web_search' }, SPACE],
      tool_choice: 'none',
      parallel_tool_calls: false,
      max_output_tokens: 40,
      temperature: 0.5,
      top_p: 0.9,
    };
    const expected = {
      ...body,
      // Without what the model was not told of, and with what the types of the SDK require.
      tools: [WEATHER, { type: 'function', name: 'bare', parameters: null, strict: null }, SPACE],
    };
    expect(await whole(body)).toMatchObject(expected);
    const events = eventsOf(await (await ask({ ...body, stream: true })).text());
    const told = events.flatMap((event) => ('response' in event ? [event.response] : []));
    expect(told).toHaveLength(3);
    for (const response of told) expect(response).toMatchObject(expected);
  });

  it('the format json_object', async () => {
    expect((await whole({ text: { format: { type: 'json_object' } } })).text).toEqual({
      format: { type: 'json_object' },
    });
  });

  it('nothing of what is large, but that there was a format', async () => {
    const long = 'x'.repeat(SMALL);
    const response = await whole({
      instructions: long,
      metadata: { a: long },
      text: { format: { ...FORMAT, schema: { type: 'object', description: long } } },
      tools: [{ ...WEATHER, description: long }],
      tool_choice: 'none',
    });
    expect(of(response)).toEqual({
      instructions: null,
      metadata: {},
      text: { format: { type: 'json_schema', name: 'out', schema: {}, strict: null } },
      tools: [],
    });
    const fits = 'x'.repeat(SMALL - 2);
    expect((await whole({ instructions: fits })).instructions).toBe(fits);
    expect((await whole({ instructions: `${fits}x` })).instructions).toBeNull();
    // Escaped, each is two characters.
    expect((await whole({ instructions: '"'.repeat(SMALL / 2) })).instructions).toBeNull();
  });

  it('no metadata that is none', async () => {
    for (const metadata of [null, 'x', [1], { a: 1 }])
      expect((await whole({ metadata })).metadata).toEqual({});
  });
});
