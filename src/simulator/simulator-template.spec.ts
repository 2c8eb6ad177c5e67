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
    Object.assign(simulator.settings, { rendersConstraints: false, fillsInTheMiddle: false });
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
