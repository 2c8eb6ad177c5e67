import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';

const MODEL = 'opencode-llm';
const say = (steps: object): ChatCompletionMessageParam[] => [
  { role: 'user', content: `SIM:${JSON.stringify(steps)}` },
];

describe('the openai client', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let client: OpenAI;

  beforeAll(async () => {
    gateway = await startGateway({ simulator: { promptTokensDetails: true } });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    user = await gateway.register();
    client = clientWith(user.key);
  });

  const clientWith = (apiKey: string) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey });
  const generated = () =>
    gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('completions'));

  async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
    const parts: T[] = [];
    for await (const part of stream) parts.push(part);
    return parts;
  }

  it('chats, and can name the request of an answer', async () => {
    const answer = await client.chat.completions.create({
      model: MODEL,
      messages: say({ text: 'Well met' }),
    });
    expect(answer.choices[0]?.message.content).toBe('Well met');
    const [row] = await settledRows(gateway, user.id);
    expect(answer._request_id).toBe(row?.request_id);
    expect(answer.usage?.completion_tokens).toBe(row?.completion_tokens);
  });

  it('streams to the end, with usage only when it asks', async () => {
    const question = { model: MODEL, messages: say({ tokens: 8 }), stream: true } as const;
    const plain = await collect(await client.chat.completions.create(question));
    expect(plain.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    expect(plain.filter(({ usage }) => usage)).toEqual([]);
    const counted = await collect(
      await client.chat.completions.create({ ...question, stream_options: { include_usage: true } }),
    );
    expect(counted.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
  });

  it('calls a tool and brings its result back', async () => {
    const messages = say({ tool: { name: 'weather', arguments: { city: 'Bern' } }, text: 'sunny' });
    const question = {
      model: MODEL,
      messages,
      tools: [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }],
    };
    const called = (await client.chat.completions.stream(question).finalChatCompletion()).choices[0]?.message;
    const call = called?.tool_calls?.[0];
    if (!called || call?.type !== 'function') throw new Error('no tool was called');
    expect(JSON.parse(call.function.arguments)).toEqual({ city: 'Bern' });
    const answer = await client.chat.completions.create({
      ...question,
      messages: [...messages, called, { role: 'tool', tool_call_id: call.id, content: '22 degrees' }],
    });
    expect(answer.choices[0]?.message.content).toBe('sunny');
  });

  it('completes prompts, and finds models', async () => {
    const answer = await client.completions.create({ model: MODEL, prompt: ['one', 'two'], n: 2 });
    expect(answer.choices).toHaveLength(4);
    const names = (await collect(await client.models.list())).map(({ id }) => id);
    expect(names).toEqual([MODEL, 'simulated-llm']);
    expect(await client.models.retrieve(MODEL)).toMatchObject({ id: MODEL, context_length: 32_768 });
  });

  it('is billed to the token, whatever mix it asks for', async () => {
    for (const n of [1, 3]) {
      for (const tokens of [5, 9]) {
        await client.chat.completions.create({ model: MODEL, messages: say({ tokens }), n });
        await collect(
          await client.chat.completions.create({ model: MODEL, messages: say({ tokens }), n, stream: true }),
        );
      }
    }
    const rows = await settledRows(gateway, user.id);
    expect(rows.map((row) => [row.request_id, row.prompt_tokens, row.completion_tokens])).toEqual(
      generated().map((entry) => [entry.requestId, entry.promptTokens, entry.completionTokens]),
    );
    expect(rows).toHaveLength(8);
  });

  it('leaves a stream: vLLM stops, and the row says so', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: say({ tokens: 500, tbtMs: 10 }),
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    await gateway.simulator.journal.waitForIdle(30_000);
    expect(generated()[0]?.outcome).toBe('cancelled');
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'client_closed', prompt_tokens: generated()[0]?.promptTokens });
    expect(row?.completion_tokens).toBeGreaterThan(0);
    expect(row?.completion_tokens).toBeLessThanOrEqual(generated()[0]?.completionTokens ?? 0);
  });

  describe('is told of a failure by class, type and code', () => {
    const ask = (by: OpenAI, question: object = {}) =>
      by.chat.completions.create({ model: MODEL, messages: say({ tokens: 3 }), ...question });

    it('401', async () => {
      const error = await ask(clientWith('llmk_nobody')).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AuthenticationError);
      expect(error).toMatchObject({ type: 'authentication_error', code: 'invalid_api_key' });
      expect((error as APIError).requestID).toMatch(/^[0-9a-f-]{36}$/);
    });

    it('404', async () => {
      const error = await ask(client, { model: 'gpt-5' }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(NotFoundError);
      expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
      await expect(client.moderations.create({ input: 'hi' })).rejects.toBeInstanceOf(NotFoundError);
      // vLLM has no such route for a model that writes.
      await expect(client.embeddings.create({ model: MODEL, input: 'hi' })).rejects.toMatchObject({
        status: 404,
        code: 'unsupported_endpoint',
      });
    });

    it('400', async () => {
      const error = await ask(client, { n: 0 }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BadRequestError);
      expect(error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_value', param: 'n' });
    });

    it('402, and does not ask again', async () => {
      await ask(client);
      const [row] = await settledRows(gateway, user.id);
      const limit = (row?.prompt_tokens ?? 0) + (row?.completion_tokens ?? 0);
      await fetch(`${gateway.url}/users/me/token-limit`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${user.accessToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ token_limit: limit }),
      });
      let asked = 0;
      const counting = client.withOptions({
        fetch: (...sent) => {
          asked += 1;
          return fetch(...sent);
        },
      });
      const error = await ask(counting).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(APIError);
      expect(error).toMatchObject({ status: 402, type: 'insufficient_quota', code: 'insufficient_quota' });
      expect(asked).toBe(1);
    });

    it('429, and asks again as often as Retry-After lets it', async () => {
      const busy = { messages: say({ status: 429, retryAfter: 1 }) };
      const error = await ask(client, busy).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RateLimitError);
      expect(generated()).toHaveLength(3);
    });

    it('a cut stream raises an error instead of ending as if it were whole', async () => {
      const stream = await client.chat.completions.create({
        model: MODEL,
        messages: say({ tokens: 20, dieAfterChunks: 4 }),
        stream: true,
      });
      await expect(collect(stream)).rejects.toMatchObject({ type: 'upstream_error' });
    });
  });
});
