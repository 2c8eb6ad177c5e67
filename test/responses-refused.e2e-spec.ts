import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';

const MODEL = 'opencode-llm';
const said = (steps: object) => `SIM:${JSON.stringify(steps)}`;
const WEATHER = { type: 'function', name: 'weather' };
const saying = (part: object) => ({ input: [{ role: 'user', content: [part] }] });

describe('what POST /v1/responses refuses', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ simulator: { models: [{ id: 'served', maxModelLen: 32_768 }] } });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    user = await gateway.register();
  });

  const ask = (body: object) =>
    gateway.post('/v1/responses', user.key, { model: MODEL, input: said({ tokens: 3 }), ...body });

  it.each<[string, object, string, RegExp]>([
    ['no input', { input: undefined }, 'input', /^input is missing/],
    ['an empty input', { input: [] }, 'input', /^input holds nothing/],
    ['an input that is a number', { input: 5 }, 'input', /^input is missing, or neither/],
    ['an item that is none', { input: ['x'] }, 'input[0]', /must be an object with a type or a role/],
    ['a strange item', { input: [{ type: 'hologram' }] }, 'input[0]', /not accepted here: hologram/],
    ['a reference', { input: [{ type: 'item_reference', id: 'x' }] }, 'input[0]', /send the item itself/],
    ['a strange role', { input: [{ role: 'tool', content: 'x' }] }, 'input[0]', /must have the role user/],
    [
      'a content that is none',
      { input: [{ role: 'user' }] },
      'input[0].content',
      /must be a text, or a list/,
    ],
    ['a strange part', saying({ type: 'input_file' }), 'input[0].content[0]', /Send text or images/],
    ['a part without text', saying({ type: 'input_text', text: 5 }), 'input[0].content[0]', /without a text/],
    [
      'a link to an image',
      saying({ type: 'input_image', image_url: 'https://x/y.png' }),
      'input[0].content[0]',
      /data: URL; links and files are not fetched here/,
    ],
    ['a file of an image', saying({ type: 'input_image', file_id: 'f' }), 'input[0].content[0]', /data: URL/],
    [
      'a call without arguments',
      { input: [{ type: 'function_call', call_id: 'x', name: 'f' }] },
      'input[0]',
      /./,
    ],
    ['an output of nothing', { input: [{ type: 'function_call_output' }] }, 'input[0]', /without a call_id/],
    [
      'thoughts that are none',
      { input: [{ type: 'reasoning', content: 'x' }] },
      'input[0].content',
      /list of texts/,
    ],
    ['instructions that are none', { instructions: ['x'] }, 'instructions', /must be a text/],
    [
      'an earlier response',
      { previous_response_id: 'resp_1' },
      'previous_response_id',
      /send the whole input/,
    ],
    ['a conversation', { conversation: { id: 'x' } }, 'conversation', /send the whole input/],
    ['background', { background: true }, 'background', /send stream instead/],
    ['a template', { prompt: { id: 'x' } }, 'prompt', /send instructions and input/],
    ['tools that are none', { tools: 'x' }, 'tools', /must be a list/],
    ['a tool that is none', { tools: [5] }, 'tools[0]', /must be an object/],
    [
      'a tool without a name',
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      'tools[0]',
      /a name/,
    ],
    [
      'parameters that are none',
      { tools: [{ type: 'function', name: 'f', parameters: 1 }] },
      'tools[0]',
      /parameters/,
    ],
    [
      'a server to be called',
      { tools: [{ type: 'mcp', server_url: 'x' }] },
      'tools[0]',
      /not run here: mcp\. Describe/,
    ],
    ['a namespace of nothing', { tools: [{ type: 'namespace', name: 'x' }] }, 'tools[0]', /a list of tools/],
    [
      // It would stand before each of its tools.
      'a namespace with a long name',
      { tools: [{ type: 'namespace', name: 'n'.repeat(1_000_000), tools: [WEATHER] }] },
      'tools[0]',
      /a name of at most 256 characters/,
    ],
    [
      'a strange tool in a namespace',
      { tools: [{ type: 'namespace', name: 'x', tools: [{ type: 'custom', name: 'y' }] }] },
      'tools[0].tools[0]',
      /not run here: custom/,
    ],
    [
      'a choice of a tool that is left out',
      { tool_choice: { type: 'web_search' } },
      'tool_choice',
      /must be auto/,
    ],
    [
      'a choice among no tools',
      { tools: [{ type: 'web_search' }], tool_choice: 'required' },
      'tool_choice',
      /no function/,
    ],
    ['no tokens', { max_output_tokens: 0 }, 'max_output_tokens', /^max_output_tokens must be a whole number/],
    [
      'a strange form',
      { text: { format: { type: 'xml' } } },
      'text.format',
      /text, json_object or json_schema/,
    ],
    [
      'a form without a schema',
      { text: { format: { type: 'json_schema' } } },
      'text.format',
      /name and a schema/,
    ],
    ['a text that is none', { text: 'x' }, 'text', /must be an object/],
    ['a strange effort', { reasoning: { effort: 5 } }, 'reasoning.effort', /must be a text/],
    ['reasoning that is none', { reasoning: true }, 'reasoning', /must be an object/],
    ['a stream that is none', { stream: 'yes' }, 'stream', /true or false/],
    ['a temperature that is none', { temperature: 'hot' }, 'temperature', /must be a number/],
  ])('names what is wrong with %s', async (_, body, param, message) => {
    const answer = await ask(body);
    expect([answer.status, await answer.json()]).toEqual([
      400,
      {
        error: {
          message: expect.stringMatching(message),
          type: 'invalid_request_error',
          param,
          code: 'invalid_value',
        },
      },
    ]);
    expect(gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('completions'))).toEqual([]);
  });

  it.each<[string, object, number]>([
    ['an unknown model', { model: 'nope' }, 404],
    ['an error of vLLM', { input: said({ status: 400 }) }, 400],
    ['a full queue', { input: said({ status: 503 }) }, 503],
    ['a broken vLLM', { input: said({ status: 500 }) }, 502],
    ['an answer that is no JSON', { input: said({ truncatedJson: true }) }, 502],
    ['a stream that begins with a refusal', { input: said({ errorFirst: 400 }), stream: true }, 400],
    ['a stream of nothing', { input: said({ emptyStream: true }), stream: true }, 502],
  ])('says so in OpenAI’s envelope: %s', async (_, body, status) => {
    const answer = await ask(body);
    expect(answer.headers.get('content-type')).toBe('application/json');
    const { error } = (await answer.json()) as { error: object };
    expect([answer.status, Object.keys(error)]).toEqual([status, ['message', 'type', 'param', 'code']]);
    expect(await settledRows(gateway, user.id)).toHaveLength(status === 404 ? 0 : 1);
  });

  it('has no response to be fetched: nothing is kept', async () => {
    const got = await gateway.get('/v1/responses/resp_1', user.key);
    expect([got.status, await got.json()]).toMatchObject([404, { error: { code: 'not_found' } }]);
    expect((await gateway.get('/v1/responses', user.key)).status).toBe(405);
  });
});
