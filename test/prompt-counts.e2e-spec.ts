import { startGateway, TestGateway, TestUser } from './support/gateway';
import { leaveTokens, tokensUsed } from './support/room-left';
import { send } from './support/send';

const said = (steps: object) => ({ role: 'user', content: `SIM:${JSON.stringify(steps)}` });
const LONG = 'and so it goes on '.repeat(300);
const SUFFIX = 'and so on '.repeat(90);
const TOOL = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } };
/** JSON that is written with three times as many characters as it was sent with. */
const NUMBERS = `{"enum":[${Array(60).fill('1e20').join(',')}]}`;

/** Where little is left it is vLLM's /tokenize that decides, and a chat is not always what that counts. */
describe('the prompt near a limit', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ simulator: { models: [{ id: 'served', maxModelLen: 8_192 }] } });
    user = await gateway.register();
    // The first chat of a process makes it ask vLLM about the chat template.
    await ask({ messages: [said({ tokens: 1 })] });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
    gateway.simulator.journal.clear();
    const settings = { rendersConstraints: true, fillsInTheMiddle: true, tokenize: 'served' };
    gateway.simulator.settings.reasoningEffortMap = { max: 'more '.repeat(112) };
    Object.assign(gateway.simulator.settings, settings);
  });

  const ask = async (body: object) => {
    const path = 'messages' in body ? '/v1/chat/completions' : '/v1/completions';
    const answer = await gateway.post(path, user.key, { model: 'served', ...body });
    await answer.text();
    return answer.status;
  };
  const leave = (amount: number) => leaveTokens(gateway, user.id, amount);
  const used = () => tokensUsed(gateway, user.id);
  const generated = () =>
    gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('completions')).at(-1);
  const after = (message: object) => [
    said({ tokens: 1 }),
    { role: 'assistant', ...message },
    said({ tokens: 9_000 }),
  ];
  const messages = [said({ tokens: 9_000 })];

  // The second number: what may be left over, where more is reserved than a prompt needs by some releases or models.
  it.each<[string, number, object]>([
    ['reasoning', 0, { messages: after({ content: 'x', reasoning: LONG }) }],
    ['reasoning by its earlier name', 0, { messages: after({ content: 'x', reasoning_content: LONG }) }],
    [
      'the same beside a null',
      0,
      { messages: after({ content: 'x', reasoning: null, reasoning_content: LONG }) },
    ],
    ['reasoning by both names', 0, { messages: after({ reasoning: 'x', reasoning_content: LONG }) }],
    ['an effort that the server makes another of', 40, { messages, reasoning_effort: 'max' }],
    ['an effort of none', 144, { messages, reasoning_effort: 'none' }],
    ['an effort', 144, { messages, reasoning_effort: 'low' }],
    [
      'an effort of none for who is told to think',
      128,
      { messages, reasoning_effort: 'none', chat_template_kwargs: { enable_thinking: true } },
    ],
    ['a form that the model is told', 1_500, { messages, response_format: JSON.parse(NUMBERS) as object }],
    ['a tool that it must call', 200, { messages, tools: [TOOL], tool_choice: 'none' }],
    [
      "a developer's tools",
      0,
      { messages: [{ role: 'developer', content: 'x', tools: [TOOL] }, ...messages] },
    ],
    ['nulls', 0, { messages, add_generation_prompt: null, tools: null, chat_template_kwargs: null }],
    ['what stands behind a prompt', 1_000, { prompt: `${LONG}SIM:{"tokens":9000}`, suffix: SUFFIX }],
    ['what stands behind each prompt', 3_000, { prompt: ['SIM:{"tokens":9000}', 'b', 'c'], suffix: SUFFIX }],
  ])('counts %s', async (_, spare, body) => {
    const room = 6_500;
    await leave(room);
    expect(await ask({ max_tokens: 6_600, ...body })).toBe(200);
    const total = await used();
    expect(total).toBeLessThanOrEqual(room);
    expect(total).toBeGreaterThanOrEqual(room - spare);
  });

  const NAME = 'look'.repeat(250);
  const WORDY = { type: 'function', function: { name: 'wordy', description: 'and so on '.repeat(100) } };
  const CALL = {
    role: 'assistant',
    tool_calls: [{ id: '1', type: 'function', function: { name: NAME, arguments: '{}' } }],
  };
  const REFERENCE = { type: 'tool_reference', name: 'wordy' };
  const result = (content: unknown) => ({ role: 'tool', tool_call_id: '1', content });

  it.each<[string, object]>([
    [
      'the name of a tool with each result',
      { messages: [...messages, CALL, ...Array(55).fill(result('x'))] },
    ],
    [
      'a tool at each reference to it',
      {
        messages: [...messages, CALL, result(Array.from({ length: 20 }, () => REFERENCE))],
        tools: [WORDY],
      },
    ],
  ])('has room for what a template writes more often than it was sent: %s', async (_, body) => {
    const counted = await send(`${gateway.simulator.baseUrl}/tokenize`, { json: body });
    const total = Number(counted.body.count) + 16;
    await leave(total - 1);
    expect(await ask({ max_tokens: 16, ...body })).toBe(402);
    await leave(total);
    expect(await ask({ max_tokens: 16, ...body })).toBe(200);
    expect(await used()).toBe(total);
  });

  it('with `echo` and max_tokens 0 costs a token for each choice of each prompt, which is reserved', async () => {
    const body = { prompt: Array(16).fill('a'), n: 8, echo: true, max_tokens: 0 };
    await leave(16 + 128 - 1);
    expect(await ask(body)).toBe(402);
    await leave(16 + 128);
    expect(await ask(body)).toBe(200);
    expect(generated()?.body).toMatchObject({ max_tokens: 0 });
    expect(await used()).toBe(16 + 128);
  });

  it('leaves no less than min_tokens to an answer: vLLM would refuse it', async () => {
    await leave(80);
    expect(await ask({ messages, max_tokens: 200, min_tokens: 100 })).toBe(402);
    expect(generated()).toBeUndefined();
    expect(await ask({ messages, max_tokens: 200, min_tokens: 20 })).toBe(200);
    expect(await used()).toBe(80);
  });

  it('is that of the largest of several, where the window is concerned', async () => {
    const prompt = Array(3).fill('word '.repeat(2_500));
    await leave(100_000);
    expect(await ask({ prompt, max_tokens: 4_000 })).toBe(200);
    expect(generated()?.body).toMatchObject({ max_tokens: 4_000 });
    expect(await ask({ prompt: [...prompt, 'word '.repeat(6_000)], max_tokens: 4_000 })).toBe(200);
    expect(generated()?.body).toMatchObject({ max_tokens: 8_192 - 6_001 });
  });

  it('of several that nobody counts is taken for their bytes, not for as many windows', async () => {
    gateway.simulator.settings.tokenize = 'missing';
    await leave(10_000);
    expect(await ask({ prompt: Array(3).fill('a'.repeat(3_000)), max_tokens: 16 })).toBe(200);
    expect(generated()?.body).toMatchObject({ max_tokens: 16 });
  });

  it('is counted without the form, where the window is concerned: most models are not shown it', async () => {
    Object.assign(gateway.simulator.settings, { rendersConstraints: false });
    await leave(100_000);
    const schema = { enum: Array.from({ length: 150 }, (_, n) => `value ${n}`) };
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    const prompt = [{ role: 'user', content: 'word '.repeat(3_000) }];
    expect(await ask({ messages: prompt, max_tokens: 4_000, response_format })).toBe(200);
    expect(generated()?.body).toMatchObject({ max_tokens: 4_000 });
  });

  it('is refused by vLLM alone when it holds more tool calls than arguments fit a call', async () => {
    const tool_calls = Array<number>(200_000).fill(0);
    expect(await ask({ messages: [{ role: 'assistant', content: 'x', tool_calls }] })).not.toBe(500);
  });
});
