import { send } from '../../test/support/send';
import type { Simulator } from './simulator';
import { startSimulator } from './simulator';

interface Frame {
  readonly choices: readonly {
    readonly index: number;
    readonly text?: string;
    readonly delta?: Readonly<Record<string, unknown>>;
    readonly finish_reason: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly system_fingerprint?: string;
}

/** The JSON frames of a stream, in order. */
const framesOf = (text: string) =>
  text
    .split('\n\n')
    .filter((block) => block.startsWith('data: {'))
    .map((block) => JSON.parse(block.slice(6)) as Frame);

describe('a simulated stream', () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator({ models: [{ id: 'tiny', maxModelLen: 2_048 }] });
  });

  beforeEach(() => {
    Object.assign(simulator.settings, { forceIncludeUsage: false, reasoning: false, sseKeepAliveMs: null });
  });

  afterAll(() => simulator.close());

  const said = (script: object) => [{ role: 'user', content: `SIM:${JSON.stringify(script)}` }];
  const chat = (script: object, body: object = {}) =>
    send(`${simulator.baseUrl}/v1/chat/completions`, {
      json: { messages: said(script), stream: true, ...body },
    });
  const complete = (body: object) =>
    send(`${simulator.baseUrl}/v1/completions`, { json: { prompt: 'hello', stream: true, ...body } });
  const ALL = { stream_options: { include_usage: true, continuous_usage_stats: true } };
  const TOTAL = { stream_options: { include_usage: true } };

  it('of a chat is a role chunk, deltas with the last one ending the choice, and [DONE]', async () => {
    const { text, headers } = await chat({ text: 'a b', tokens: 2 });
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const fixed = text
      .replaceAll(/"id":"chatcmpl-[0-9a-f]{16}"/g, '"id":"ID"')
      .replaceAll(/"created":\d+/g, '"created":1')
      .replaceAll(/"system_fingerprint":"[^"]+"/g, '"system_fingerprint":"F"');
    const head = 'data: {"id":"ID","object":"chat.completion.chunk","created":1,"model":"tiny","choices":';
    expect(fixed).toBe(
      [
        `${head}[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}`,
        `${head}[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null,"token_ids":null}],"kv_transfer_params":null}`,
        `${head}[{"index":0,"delta":{"content":" b"},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null,"weight_versions":null}],"system_fingerprint":"F","kv_transfer_params":null}`,
        'data: [DONE]',
        '',
      ].join('\n\n'),
    );
  });

  it('of a completion has no role chunk and names the stop reason in every chunk', async () => {
    const frames = framesOf((await complete({ max_tokens: 2 })).text);
    expect(frames.map(({ choices }) => Object.keys(choices[0] ?? {}).join())).toEqual(
      Array(2).fill(
        'index,text,logprobs,finish_reason,stop_reason,prompt_token_ids,token_ids,weight_versions',
      ),
    );
  });

  it.each<[string, object]>([
    ['no options', {}],
    ['null', { stream_options: null }],
    ['empty options', { stream_options: {} }],
    ['include_usage false', { stream_options: { include_usage: false } }],
    ['continuous usage alone', { stream_options: { continuous_usage_stats: true } }],
  ])('carries no usage with %s', async (_, options) => {
    const { text } = await chat({ tokens: 3 }, options);
    expect(text).not.toContain('"usage"');
  });

  it('carries the totals in one chunk without choices when usage is included', async () => {
    const frames = framesOf((await chat({ tokens: 3 }, TOTAL)).text);
    const last = frames.pop();
    expect(frames.every(({ usage }) => usage === undefined)).toBe(true);
    expect(last).toMatchObject({ choices: [], usage: { completion_tokens: 3 } });
    // vLLM names itself once, and with usage that is here.
    expect(frames.map((frame) => frame.system_fingerprint)).toEqual(Array(4).fill(undefined));
    expect(last?.system_fingerprint).toBe('vllm-0.33.0-simulated');
  });

  it('counts on in every chunk with continuous usage, from 0 on the role chunk', async () => {
    const frames = framesOf((await chat({ tokens: 3 }, ALL)).text);
    expect(frames.map(({ usage }) => usage?.completion_tokens)).toEqual([0, 1, 2, 3, 3]);
    expect(new Set(frames.map(({ usage }) => usage?.prompt_tokens)).size).toBe(1);
  });

  it('carries all usage when the server forces it, even against the request', async () => {
    simulator.settings.forceIncludeUsage = true;
    const frames = framesOf((await chat({ tokens: 2 }, { stream_options: { include_usage: false } })).text);
    expect(frames.map(({ usage }) => usage?.completion_tokens)).toEqual([0, 1, 2, 2]);
  });

  it('counts each choice for itself, and the total is the sum of their last counts', async () => {
    const frames = framesOf((await chat({ tokensByChoice: [2, 6, 4] }, { n: 3, ...ALL })).text);
    const lastCounts = new Map(
      frames.flatMap(({ choices, usage }) =>
        choices.map(({ index }) => [index, usage?.completion_tokens] as const),
      ),
    );
    expect([...lastCounts]).toEqual([
      [0, 2],
      [1, 6],
      [2, 4],
    ]);
    expect(frames.at(-1)?.usage?.completion_tokens).toBe(12);
  });

  it('opens all choices first, then mixes them, and each ends in its own time', async () => {
    const frames = framesOf((await chat({ tokensByChoice: [1, 3] }, { n: 2 })).text);
    expect(frames.map(({ choices }) => choices[0]?.index)).toEqual([0, 1, 0, 1, 1, 1]);
    expect(frames.map(({ choices }) => choices[0]?.finish_reason)).toEqual([
      null,
      null,
      'stop',
      null,
      null,
      'stop',
    ]);
  });

  it('counts the prompt of each choice of a list, and the sum at the end', async () => {
    const frames = framesOf(
      (await complete({ prompt: ['hello', 'hello world'], max_tokens: 1, ...ALL })).text,
    );
    expect(frames.map(({ usage }) => usage?.prompt_tokens)).toEqual([1, 2, 3]);
  });

  it('puts several tokens into a chunk with stream_interval, but the first one alone', async () => {
    const frames = framesOf((await chat({ tokens: 10 }, { stream_interval: 4, ...ALL })).text);
    expect(frames.map(({ usage }) => usage?.completion_tokens)).toEqual([0, 1, 5, 9, 10, 10]);
  });

  it('shows a tool call by name and arguments, with tokens that no chunk shows', async () => {
    const tools = [{ type: 'function', function: { name: 'look' } }];
    const call = { tool: { name: 'look', arguments: { a: 1 } } };
    const frames = framesOf((await chat(call, { tools, ...ALL })).text).slice(1, -1);
    const calls = frames.flatMap(
      ({ choices }) => choices[0]?.delta?.tool_calls as { function: Record<string, string> }[],
    );
    expect(calls[0]).toMatchObject({ index: 0, type: 'function', function: { name: 'look' } });
    const given = calls.slice(1, -1).map((one) => one.function.arguments);
    expect(given.join('')).toBe('{"a":1}');
    expect(frames[0]?.choices[0]?.delta?.content).toBeNull();
    expect(frames[0]?.usage?.completion_tokens).toBeGreaterThan(1);
    expect(frames.at(-1)?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'tool_calls' });
  });

  it('thinks in `reasoning` before its content, and counts it in both numbers', async () => {
    simulator.settings.reasoning = true;
    const frames = framesOf((await chat({ reasoning: 2, tokens: 1 }, ALL)).text);
    expect(frames.slice(1, 4).map(({ choices }) => Object.keys(choices[0]?.delta ?? {}))).toEqual([
      ['reasoning'],
      ['reasoning'],
      ['content'],
    ]);
    expect(frames.at(-1)?.usage).toMatchObject({
      completion_tokens: 3,
      completion_tokens_details: { reasoning_tokens: 2 },
    });
  });

  it('is silent while it thinks when the request does not want to hear it, and counts all the same', async () => {
    const frames = framesOf(
      (await chat({ reasoning: 5, tokens: 1 }, { include_reasoning: false, ...ALL })).text,
    );
    expect(frames.map(({ usage }) => usage?.completion_tokens)).toEqual([0, 6, 6]);
  });

  it('fails inside the stream when too many logprobs were asked for', async () => {
    const { status, text } = await chat({ tokens: 3 }, { logprobs: true, top_logprobs: 21 });
    expect(status).toBe(200);
    expect(text).toMatch(
      /^data: {"error":{"message":"Requested sample logprobs of 21.*","type":"BadRequestError","param":"logprobs","code":400}}\n\ndata: \[DONE\]\n\n$/,
    );
  });

  it('sends comments while it is silent when the server keeps streams alive', async () => {
    simulator.settings.sseKeepAliveMs = 10;
    const { text } = await chat({ tokens: 2, ttftMs: 60, tbtMs: 60 });
    expect(text).toMatch(/^(: keep-alive\n\n)+data: /);
    expect(text.split(': keep-alive\n\n').length).toBeGreaterThan(4);
    expect(framesOf(text.replaceAll(': keep-alive\n\n', ''))).toHaveLength(3);
  });
});
