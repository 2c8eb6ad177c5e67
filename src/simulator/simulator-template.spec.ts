import { send } from '../../test/support/send';
import type { Simulator } from './simulator';
import { startSimulator } from './simulator';

/** What a chat counts and vLLM's /tokenize does not, unless it is told in another way. */
describe('the template of the simulator', () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator({ models: [{ id: 'tiny', maxModelLen: 2_048 }] });
  });
  afterAll(() => simulator.close());
  beforeEach(() => {
    Object.assign(simulator.settings, {
      rendersConstraints: false,
      reasoningEffortMap: {},
      fillsInTheMiddle: false,
      reasoning: false,
    });
  });

  const post = async (path: string, json: object) => (await send(simulator.baseUrl + path, { json })).body;
  const MESSAGES = [{ role: 'user', content: 'hello' }];
  const prompt = async (more: object, path = '/v1/chat/completions') => {
    const { usage } = await post(path, { messages: MESSAGES, max_tokens: 1, ...more });
    return (usage as { prompt_tokens: number }).prompt_tokens;
  };
  const counted = async (more: object) => (await post('/tokenize', { messages: MESSAGES, ...more })).count;
  const after = (message: object) => ({
    messages: [...MESSAGES, { role: 'assistant', content: 'x', ...message }],
  });

  it('renders reasoning; by its earlier name in a chat only, and where the new one says nothing', async () => {
    const whole = await prompt(after({ reasoning: 'a thought' }));
    expect(whole).toBeGreaterThan(await prompt(after({})));
    expect(await counted(after({ reasoning: 'a thought' }))).toBe(whole);
    for (const earlier of [{}, { reasoning: null }])
      expect(await prompt(after({ ...earlier, reasoning_content: 'a thought' }))).toBe(whole);
    expect(await prompt(after({ reasoning: 'a thought', reasoning_content: 'no' }))).toBe(whole);
    expect(await counted(after({ reasoning_content: 'a thought' }))).toBe(await prompt(after({})));
  });

  it('takes an effort for a wish to think or not, in a chat only', async () => {
    const without = await prompt({ chat_template_kwargs: { reasoning_effort: 'none' } });
    expect(await prompt({ reasoning_effort: 'none' })).toBe(without + 4);
    const told = { chat_template_kwargs: { enable_thinking: true } };
    expect(await prompt({ reasoning_effort: 'none', ...told })).toBe(without);
    const parameters = { reasoning_effort: 'none', enable_thinking: false };
    expect(await counted({ chat_template_kwargs: parameters })).toBe(without + 4);
  });

  it('renders another effort than was asked for where the server maps it, in a chat only', async () => {
    const parameters = (effort: string) => ({ chat_template_kwargs: { reasoning_effort: effort } });
    const [plain, thoughtless] = [
      await prompt(parameters('low')),
      await prompt({ reasoning_effort: 'none' }),
    ];
    simulator.settings.reasoningEffortMap = { low: 'very low', high: 'none' };
    const mapped = await prompt({ reasoning_effort: 'low' });
    expect(mapped).toBeGreaterThan(plain);
    expect(await prompt({ reasoning_effort: 'high' })).toBe(thoughtless);
    expect(await prompt(parameters('low'))).toBe(plain);
    expect(await counted(parameters('low'))).toBe(plain);
  });

  it.each([
    [
      { reasoning_effort: 'foo' },
      'body.reasoning_effort',
      `"Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'", 'input': 'foo', 'ctx': {'expected': "'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'"}}`,
    ],
    [{ documents: [1] }, 'body.documents.0', "'Input should be a valid dictionary', 'input': '1'}"],
    [{ documents: [{ n: 5 }] }, 'body.documents.0.n', "'Input should be a valid string', 'input': '5'}"],
    [
      { thinking_token_budget: -2 },
      'thinking_token_budget',
      'must be a non-negative integer or -1 for unlimited. (parameter=thinking_token_budget, value=-2)',
    ],
  ])("refuses %j in vLLM's words", async (more, param, words) => {
    const { error } = await post('/v1/chat/completions', { messages: MESSAGES, ...more });
    expect(error).toMatchObject({ code: 400, param, message: expect.stringContaining(words) as string });
  });

  it('refuses to count an empty chat', async () => {
    expect((await post('/tokenize', { messages: [] })).error).toMatchObject({ code: 400, param: null });
  });

  it('keeps of a truncated prompt what leaves room for a token', async () => {
    const long = { prompt: 'a '.repeat(5_000), truncate_prompt_tokens: -1 };
    const { usage } = await post('/v1/completions', { ...long, max_tokens: 100 });
    expect(usage).toMatchObject({ prompt_tokens: 2_047, completion_tokens: 1 });
    const messages = [{ role: 'user', content: long.prompt }];
    expect((await post('/v1/chat/completions', { ...long, messages })).usage).toEqual(usage);
  });

  it('says how many ids are too many, and of a text only that it has too many tokens', async () => {
    const refused = async (prompt: unknown) => (await post('/v1/completions', { prompt })).error;
    expect(await refused(Array.from({ length: 3_000 }, () => 1))).toMatchObject({
      message: expect.stringContaining('contains 3000 input tokens') as string,
    });
    expect(await refused('a '.repeat(3_000))).toMatchObject({
      message: expect.stringContaining('contains at least 2049 input tokens') as string,
    });
  });

  it('tells a completion nothing of reasoning, and its first event the ids of the prompt where ids are asked for', async () => {
    simulator.settings.reasoning = true;
    const fields = { prompt: 'hello SIM:{"tokens":2}', return_token_ids: true };
    const { usage } = await post('/v1/completions', fields);
    expect(usage).toMatchObject({ completion_tokens_details: null });
    const { text } = await send(`${simulator.baseUrl}/v1/completions`, { json: { ...fields, stream: true } });
    expect(text.match(/"prompt_token_ids":(null|\[)/g)).toEqual([
      '"prompt_token_ids":[',
      '"prompt_token_ids":null',
    ]);
  });

  it("renders a developer's tools", async () => {
    const messages = (tools?: object[]) => ({
      messages: [...MESSAGES, { role: 'developer', content: 'x', tools }],
    });
    expect(await prompt(messages([{ type: 'function' }]))).toBeGreaterThan(await prompt(messages()));
  });

  it('tells of constraints and takes a suffix where the model does', async () => {
    const format = { response_format: { type: 'json_object' } };
    const plain = await prompt({});
    expect(await prompt(format)).toBe(plain);
    Object.assign(simulator.settings, { rendersConstraints: true, fillsInTheMiddle: true });
    expect(await prompt(format)).toBeGreaterThan(plain);
    expect(await counted(format)).toBe(plain);
    const both = { prompt: ['hello', 'hello'], suffix: 'the end' };
    expect(await prompt(both, '/v1/completions')).toBe(2 * (1 + 2 + 3));
  });

  it.each([
    [
      '/v1/chat/completions',
      ['ignore_eos', 'min_tokens', 'bad_words', 'include_reasoning', 'add_generation_prompt'],
    ],
    ['/v1/completions', ['n', 'ignore_eos', 'min_tokens']],
    ['/tokenize', ['add_generation_prompt']],
  ])('%s has no null for %j', async (path, fields) => {
    for (const field of fields) {
      const { error } = await post(path, { messages: MESSAGES, prompt: 'hello', [field]: null });
      expect(error).toMatchObject({ code: 400, param: `body.${field}` });
    }
  });
});
