import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { CHAT, NOTHING_LEFT, Wire } from './support/wire';

const MESSAGES = '"messages":[{"role":"user","content":"hi"}]';
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const fields = (count: number) => Array.from({ length: count }, (_, index) => `"k${index}":1`).join();
/** What vLLM is asked in every stream. */
const COUNTED = { include_usage: true, continuous_usage_stats: true };

describe('a request that is odd but right', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
    wire = new Wire(gateway, user);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  /** Sends it, and gives what vLLM got and whether the ledger says what vLLM's journal says. */
  async function sends(body: string, headers: Record<string, string> = {}) {
    const answer = await gateway.post(CHAT, user.key, body, headers);
    const text = await answer.text();
    const entry = wire.dispatched.at(-1);
    const row = (await settledRows(gateway, user.id)).at(-1);
    return {
      status: answer.status,
      streamed: text.endsWith('data: [DONE]\n\n'),
      sent: entry?.body as Record<string, unknown> | undefined,
      billedExactly:
        row?.outcome === 'completed' &&
        row?.request_id === entry?.requestId &&
        row?.completion_tokens === entry?.completionTokens &&
        row?.prompt_tokens === entry?.promptTokens,
    };
  }
  const body = (more: string) => `{"model":"opencode-llm",${MESSAGES},${more}}`;

  it.each<[string, object | null]>([
    ['"stream":true,"stream_options":null', COUNTED],
    ['"stream":true,"stream_options":{}', COUNTED],
    ['"stream":true,"stream_options":{"made_up":1,"include_usage":false}', COUNTED],
    ['"stream":true,"stream_options":{"include_usage":null,"continuous_usage_stats":null}', COUNTED],
    ['"str\\u0065am":true', COUNTED],
    ['"stream":null,"stream_options":null', null],
    ['"stream":false,"stream_options":{}', null],
    ['"Stream":true', null],
    ['"__proto__":{"stream":true,"max_tokens":1}', null],
    ['"constructor":{"prototype":{"stream":true}}', null],
    ['"base_url":"http://169.254.169.254","api_base":"http://169.254.169.254"', null],
    ['"stream":true,"prompt":["a","b"]', COUNTED],
  ])('streams, and is counted, by what it says and nothing else: %s', async (more, options) => {
    const { sent, ...rest } = await sends(body(`${more},"metadata":1`));
    expect(rest).toEqual({ status: 200, streamed: options !== null, billedExactly: true });
    expect([sent?.stream_options, sent?.stream === true]).toEqual([options ?? undefined, options !== null]);
    const known = ['model', 'messages', 'stream', 'stream_options', 'max_tokens', 'cache_salt'];
    expect(Object.keys(sent ?? {}).filter((key) => !known.includes(key))).toEqual([]);
  });

  it.each<[string, object]>([
    ['"max_tokens":5', { max_tokens: 5 }],
    ['"max_tokens":5,"max_completion_tokens":3', { max_completion_tokens: 3 }],
    ['"max_tokens":3,"max_completion_tokens":5', { max_completion_tokens: 5 }],
    ['"max_tokens":5,"max_completion_tokens":null', { max_tokens: 5 }],
    ['"max_tokens":null,"max_completion_tokens":4', { max_completion_tokens: 4 }],
    ['"max_tokens":0.5e1', { max_tokens: 5 }],
    ['"max_tokens":5.0', { max_tokens: 5 }],
  ])('is limited as vLLM would limit it: %s', async (more, limits) => {
    const { sent, ...rest } = await sends(body(more));
    expect(rest).toEqual({ status: 200, streamed: false, billedExactly: true });
    const { max_tokens, max_completion_tokens } = sent ?? {};
    expect(JSON.parse(JSON.stringify({ max_tokens, max_completion_tokens }))).toEqual(limits);
  });

  it.each([
    '"n":1.0,"seed":-9223372036854775808,"top_k":-1',
    '"temperature":0,"top_p":1,"min_p":1e-9,"seed":9223372036854774000',
    '"ignore_eos":null,"min_tokens":null,"bad_words":null,"echo":null,"include_reasoning":null',
    '"n":null,"seed":null,"temperature":null,"tools":null,"stop":null,"logprobs":null',
    '"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"none"',
    `"metadata":${nested(63)}`,
    fields(253),
  ])('is answered: %s', async (more) => {
    expect(await sends(body(`${more},"max_tokens":4`))).toMatchObject({ status: 200, billedExactly: true });
  });

  it.each([
    '[{"role":"assistant","content":null,"tool_calls":[]},{"role":"user","content":"hi"}]',
    '[{"role":"developer","content":[{"type":"text","text":"hi"},"and more"]}]',
    '[{"role":"tool","tool_call_id":"1","content":"hi"},{"role":"user","content":[]}]',
    // What stands twice in a text is text.
    `[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1,\\"a\\":2}"}}]},
      {"role":"user","content":"{\\"role\\":1,\\"role\\":2}"},{"role":"user","content":"hi","name":"n"}]`,
    '[{"role":"user","content":"\\ud83d\\ude00 \\u0000 \\u2028 \u{1f600}"}]',
  ])('may have the messages %s', async (messages) => {
    const text = `{"model":"opencode-llm","messages":${messages},"max_tokens":4}`;
    const { sent, ...rest } = await sends(text);
    expect(rest).toEqual({ status: 200, streamed: false, billedExactly: true });
    expect(sent?.messages).toEqual(JSON.parse(messages));
  });

  it('may be spaced and labelled in every way JSON and HTTP allow', async () => {
    const spaced = ` \r\n\t{ "model" :\n"opencode-llm"\t, ${MESSAGES.replaceAll(':', ' : ')} }\n\n`;
    for (const type of [
      'application/json',
      'application/json;charset=utf-8',
      'Application/JSON; Charset="UTF-8"',
      'application/json;',
      'application/json; version=1; charset=utf-8; a=b',
    ]) {
      const headers = { 'content-type': type, 'content-encoding': 'identity' };
      expect(await sends(spaced, headers)).toMatchObject({ status: 200, billedExactly: true });
    }
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });
});
