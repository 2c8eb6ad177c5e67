import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import {
  baseURL,
  differences,
  forgetJournal,
  journal,
  MODEL,
  register,
  registerSpent,
  requestCount,
  script,
  settledLedger,
  until,
  WRONG_KEY,
} from '../support/gateway.js';
import { collect, refusal } from '../support/outcome.js';

const HELLO = [{ role: 'user', content: 'Hello there' }];
const TOOLS = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const say = (steps) => [{ role: 'user', content: script(steps) }];

describe('openai', () => {
  let user;
  let client;
  before(async () => {
    user = await register();
    client = new OpenAI({ baseURL, apiKey: user.key });
  });
  beforeEach(forgetJournal);

  it('chats: text, finish reason, usage, the public model name, and the id of the request', async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages: HELLO, max_tokens: 12 });
    assert.equal(answer.model, MODEL);
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    const [entry] = await journal();
    assert.equal(answer._request_id, entry.requestId);
    assert.equal(answer.usage.completion_tokens, entry.completionTokens);
  });

  it('streams, without a usage chunk when it is not asked for', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: HELLO,
      max_tokens: 12,
      stream: true,
    });
    const chunks = await collect(stream);
    assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''));
    assert.ok(chunks.every((chunk) => chunk.model === MODEL && chunk.usage === undefined));
    assert.ok(chunks.at(-1).choices[0].finish_reason);
  });

  it('streams with include_usage: one last chunk without choices, equal to what was generated', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: HELLO,
      max_tokens: 12,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.ok(chunks.every((chunk) => chunk.usage == null));
    const [entry] = await journal();
    assert.equal(last.usage.prompt_tokens, entry.promptTokens);
    assert.equal(last.usage.completion_tokens, entry.completionTokens);
  });

  it('calls tools, streamed and not, and takes the result back', async () => {
    const call = { tool: { name: 'weather', arguments: { city: 'Bern' } } };
    const question = { model: MODEL, messages: say(call), tools: TOOLS };
    const answer = await client.chat.completions.create(question);
    assert.equal(answer.choices[0].finish_reason, 'tool_calls');
    const { message } = answer.choices[0];
    assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: 'Bern' });

    const final = await client.chat.completions.stream(question).finalChatCompletion();
    assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { city: 'Bern' });

    const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sunny' };
    const next = await client.chat.completions.create({
      ...question,
      messages: [...question.messages, message, result],
    });
    assert.equal(next.choices[0].finish_reason, 'stop');
  });

  it('gets two choices for n=2, and pays for both', async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages: say({ tokens: 9 }), n: 2 });
    assert.equal(answer.choices.length, 2);
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: say({ tokens: 9 }),
      n: 2,
      stream: true,
    });
    const indexes = new Set((await collect(stream)).map((chunk) => chunk.choices[0].index));
    assert.deepEqual([...indexes].sort(), [0, 1]);
    assert.deepEqual(
      (await journal()).map((entry) => entry.completionTokens),
      [18, 18],
    );
  });

  it('completes a prompt, streamed and not', async () => {
    const answer = await client.completions.create({ model: MODEL, prompt: 'Once upon', max_tokens: 5 });
    assert.ok(answer.choices[0].text);
    const stream = await client.completions.create({
      model: MODEL,
      prompt: 'Once upon',
      max_tokens: 5,
      stream: true,
    });
    assert.ok((await collect(stream)).map((chunk) => chunk.choices[0].text).join(''));
  });

  it('lists models and retrieves one', async () => {
    const names = (await collect(await client.models.list())).map(({ id }) => id);
    assert.deepEqual(names, [MODEL, 'served-model']);
    assert.equal((await client.models.retrieve(MODEL)).context_length, 65_536);
  });

  it('has one ledger row for each answer so far, equal to the token to what was generated', async () => {
    const other = await register();
    const mine = new OpenAI({ baseURL, apiKey: other.key });
    for (const n of [1, 2]) {
      await mine.chat.completions.create({ model: MODEL, messages: say({ tokens: 7 }), n });
      await collect(
        await mine.chat.completions.create({ model: MODEL, messages: say({ tokens: 5 }), n, stream: true }),
      );
    }
    await mine.completions.create({ model: MODEL, prompt: ['one', 'two and three'], max_tokens: 5 });
    assert.deepEqual(differences(await settledLedger(other, 5), await journal()), []);
  });

  describe('errors', () => {
    it('401: AuthenticationError, asked once', async () => {
      const wrong = new OpenAI({ baseURL, apiKey: WRONG_KEY });
      const before = await requestCount('/v1/chat/completions');
      const error = await refusal(wrong.chat.completions.create({ model: MODEL, messages: HELLO }));
      assert.ok(error instanceof AuthenticationError);
      assert.equal(error.status, 401);
      assert.equal(error.code, 'invalid_api_key');
      assert.equal(error.type, 'authentication_error');
      assert.match(error.requestID, /^[0-9a-f-]{36}$/);
      assert.equal((await requestCount('/v1/chat/completions')).total - before.total, 1);
    });

    it('404: NotFoundError for a model nobody serves, and for a route there is not', async () => {
      const error = await refusal(client.chat.completions.create({ model: 'gpt-5', messages: HELLO }));
      assert.ok(error instanceof NotFoundError);
      assert.deepEqual([error.code, error.param], ['model_not_found', 'model']);
      assert.match(error.message, /GET \/v1\/models/);
      const missing = await refusal(client.moderations.create({ input: 'hi' }));
      assert.ok(missing instanceof NotFoundError);
      assert.equal(missing.code, 'not_found');
      assert.ok((await refusal(client.models.retrieve('gpt-5'))) instanceof NotFoundError);
    });

    it('400: BadRequestError that names the field', async () => {
      const error = await refusal(client.chat.completions.create({ model: MODEL, messages: HELLO, n: 99 }));
      assert.ok(error instanceof BadRequestError);
      assert.deepEqual(
        [error.code, error.param, error.type],
        ['invalid_value', 'n', 'invalid_request_error'],
      );
    });

    it('402: APIError insufficient_quota, asked once', async () => {
      const spent = await registerSpent();
      const poor = new OpenAI({ baseURL, apiKey: spent.key });
      const before = await requestCount('/v1/chat/completions');
      const error = await refusal(poor.chat.completions.create({ model: MODEL, messages: HELLO }));
      assert.ok(error instanceof APIError);
      assert.deepEqual(
        [error.status, error.code, error.type],
        [402, 'insufficient_quota', 'insufficient_quota'],
      );
      assert.match(error.message, /token quota of your account is used up/);
      assert.equal((await requestCount('/v1/chat/completions')).total - before.total, 1);
    });

    it('429: RateLimitError, after two further tries that keep to Retry-After', async () => {
      const startedAt = Date.now();
      const messages = say({ status: 429, retryAfter: 1 });
      const error = await refusal(client.chat.completions.create({ model: MODEL, messages }));
      assert.ok(error instanceof RateLimitError);
      assert.deepEqual([error.code, error.headers.get('retry-after')], ['upstream_busy', '1']);
      assert.equal((await journal()).length, 3);
      assert.ok(Date.now() - startedAt >= 1_900);
    });

    it('a stream that vLLM cuts raises an APIError instead of ending as if it were whole', async () => {
      const stream = await client.chat.completions.create({
        model: MODEL,
        messages: say({ tokens: 20, dieAfterChunks: 5 }),
        stream: true,
      });
      const error = await refusal(collect(stream));
      assert.ok(error instanceof APIError);
      assert.equal(error.type, 'upstream_error');
    });
  });

  it('leaves in the middle of a stream: vLLM stops, and what was generated until then is billed', async () => {
    const leaver = await register();
    const mine = new OpenAI({ baseURL, apiKey: leaver.key });
    const messages = say({ tokens: 400, tbtMs: 20 });
    const stream = await mine.chat.completions.create({ model: MODEL, messages, stream: true });
    let seen = 0;
    for await (const chunk of stream) if (chunk.choices[0].delta.content && ++seen === 5) break;
    const leftAt = Date.now();
    let entry;
    const cancelled = async () => {
      [entry] = await journal();
      return entry?.cancelledAt;
    };
    await until(cancelled, 30_000, () => 'vLLM was never told');
    assert.ok(entry.cancelledAt - leftAt < 1_000, `cancelled after ${entry.cancelledAt - leftAt} ms`);
    const [row] = await settledLedger(leaver, 1);
    assert.equal(row.outcome, 'client_closed');
    assert.equal(row.prompt_tokens, entry.promptTokens);
    assert.ok(row.completion_tokens >= seen && row.completion_tokens <= entry.completionTokens);
  });
});
