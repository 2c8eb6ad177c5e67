import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import Anthropic, { APIError, AuthenticationError, BadRequestError, NotFoundError } from '@anthropic-ai/sdk';
import {
  forgetJournal,
  journal,
  MODEL,
  register,
  registerSpent,
  requestCount,
  script,
  settledLedger,
  url,
  WRONG_KEY,
} from '../support/gateway.js';
import { refusal } from '../support/outcome.js';

const TOOLS = [
  {
    name: 'weather',
    description: 'Tells it',
    input_schema: { type: 'object', properties: { city: { type: 'string' } } },
  },
];
const say = (steps) => [{ role: 'user', content: script(steps) }];
const HELLO = { model: MODEL, max_tokens: 30, messages: say({ text: 'Hello there', reasoning: 'Hm' }) };

/** What two of the same have in common. */
const shown = ({ content, stop_reason, usage }) => [
  content.map(({ type, text, thinking }) => [type, text ?? thinking]),
  stop_reason,
  usage.input_tokens,
  usage.output_tokens,
];

describe('@anthropic-ai/sdk', () => {
  let user;
  let client;
  before(async () => {
    user = await register();
    client = new Anthropic({ baseURL: url, apiKey: user.key });
  });
  beforeEach(forgetJournal);

  it('makes a message: thoughts, text, stop reason, usage, and the id of the request', async () => {
    const message = await client.messages.create(HELLO);
    assert.deepEqual(
      message.content.map(({ type, text, thinking }) => [type, text ?? thinking]),
      [
        ['thinking', 'Hm'],
        ['text', 'Hello there'],
      ],
    );
    assert.deepEqual([message.model, message.stop_reason], [MODEL, 'end_turn']);
    const [entry] = await journal();
    assert.equal(message._request_id ?? entry.requestId, entry.requestId);
    assert.equal(message.usage.output_tokens, entry.completionTokens);
  });

  it('takes an Authorization header, as Claude Code sends it', async () => {
    const bearer = new Anthropic({ baseURL: url, apiKey: null, authToken: user.key });
    assert.equal((await bearer.messages.create(HELLO)).stop_reason, 'end_turn');
  });

  it('streams the same message', async () => {
    const stream = client.messages.stream(HELLO);
    let text = '';
    stream.on('text', (part) => (text += part));
    const message = await stream.finalMessage();
    const whole = await client.messages.create(HELLO);
    assert.deepEqual(shown(message), shown(whole));
    assert.equal(text, 'Hello there');
  });

  it('calls a tool, and goes on from its result', async () => {
    const messages = say({ tool: { name: 'weather', arguments: { city: 'Köln' } } });
    const call = await client.messages
      .stream({ model: MODEL, max_tokens: 60, tools: TOOLS, messages })
      .finalMessage();
    assert.equal(call.stop_reason, 'tool_use');
    const use = call.content.find(({ type }) => type === 'tool_use');
    assert.deepEqual([use.name, use.input], ['weather', { city: 'Köln' }]);
    const result = { type: 'tool_result', tool_use_id: use.id, content: 'rain' };
    const answer = await client.messages.create({
      model: MODEL,
      max_tokens: 60,
      tools: TOOLS,
      messages: [
        ...messages,
        { role: 'assistant', content: call.content },
        { role: 'user', content: [result] },
      ],
    });
    assert.equal(answer.stop_reason, 'end_turn');
    assert.ok(answer.content[0].text);
  });

  it('counts the tokens of a prompt as the message will have them', async () => {
    const prompt = { model: MODEL, system: 'You help.', messages: HELLO.messages, tools: TOOLS };
    const { input_tokens: counted } = await client.messages.countTokens(prompt);
    const { usage } = await client.messages.create({ ...prompt, max_tokens: 20 });
    assert.equal(counted, usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
  });

  it('bills a stream that is left in the middle as far as it came', async () => {
    const leaver = await register();
    const own = new Anthropic({ baseURL: url, apiKey: leaver.key });
    const stream = own.messages.stream({
      model: MODEL,
      max_tokens: 500,
      messages: say({ tokens: 400, tbtMs: 10 }),
    });
    let parts = 0;
    await refusal(
      (async () => {
        for await (const { type } of stream) {
          if (type === 'content_block_delta' && ++parts === 20) stream.abort();
        }
        await stream.finalMessage();
      })(),
    );
    const [row] = await settledLedger(leaver, 1);
    const [entry] = await journal();
    assert.deepEqual([row.outcome, row.prompt_tokens], ['client_closed', entry.promptTokens]);
    assert.ok(row.completion_tokens >= parts && row.completion_tokens <= entry.completionTokens);
  });

  it('raises the classes of its own, once, with the sentence of the gateway', async () => {
    const wrong = new Anthropic({ baseURL: url, apiKey: WRONG_KEY });
    const spent = new Anthropic({ baseURL: url, apiKey: (await registerSpent()).key });
    const cases = [
      [wrong, HELLO, AuthenticationError, 401, 'authentication_error'],
      [client, { ...HELLO, model: 'nope' }, NotFoundError, 404, 'not_found_error'],
      [client, { ...HELLO, messages: [] }, BadRequestError, 400, 'invalid_request_error'],
      [spent, HELLO, APIError, 402, 'billing_error'],
    ];
    for (const [asker, body, type, status, name] of cases) {
      const before = await requestCount('/v1/messages');
      const error = await refusal(asker.messages.create(body));
      assert.ok(error instanceof type);
      assert.deepEqual([error.status, error.error.error.type], [status, name]);
      assert.match(error.error.error.message, /^[a-zA-Z].*\.$/);
      assert.equal((await requestCount('/v1/messages')).total - before.total, 1);
    }
  });

  it('raises when a stream breaks', async () => {
    const stream = client.messages.stream({ ...HELLO, messages: say({ tokens: 9, dieAfterChunks: 4 }) });
    const error = await refusal(stream.finalMessage());
    assert.ok(error instanceof APIError);
    assert.match(String(error.message), /model server/);
  });
});
