import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
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
  WRONG_KEY,
} from '../support/gateway.js';
import { collect, refusal } from '../support/outcome.js';

const ROUTE = '/v1/chat/completions';
const modelWith = (apiKey, options = {}) =>
  createOpenAICompatible({ name: 'llm-user-managed', baseURL, apiKey, ...options })(MODEL);

describe('the AI SDK', () => {
  let user;
  let model;
  before(async () => {
    user = await register();
    model = modelWith(user.key, { includeUsage: true });
  });
  beforeEach(forgetJournal);

  it('generates a text, with its usage', async () => {
    const { text, finishReason, usage } = await generateText({ model, prompt: script({ text: 'Well met' }) });
    assert.equal(text, 'Well met');
    assert.equal(finishReason, 'stop');
    const [entry] = await journal();
    assert.equal(usage.inputTokens, entry.promptTokens);
    assert.equal(usage.outputTokens, entry.completionTokens);
  });

  it('streams a text, with its usage', async () => {
    const answer = streamText({ model, prompt: script({ text: 'One word after the other' }) });
    const parts = await collect(answer.textStream);
    assert.equal(parts.join(''), 'One word after the other');
    assert.ok(parts.length > 1);
    const [entry] = await journal();
    assert.equal((await answer.usage).totalTokens, entry.promptTokens + entry.completionTokens);
  });

  it('gets the reasoning apart from the text, streamed and not', async () => {
    const prompt = script({ reasoning: 'Let me think', text: 'Done' });
    const whole = await generateText({ model, prompt });
    assert.deepEqual([whole.reasoningText, whole.text], ['Let me think', 'Done']);
    const streamed = streamText({ model, prompt });
    assert.deepEqual([await streamed.reasoningText, await streamed.text], ['Let me think', 'Done']);
  });

  it('calls a tool and carries its result into the next step', async () => {
    const cities = [];
    const weather = tool({
      description: 'The weather of a city',
      inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }),
      execute: ({ city }) => {
        cities.push(city);
        return 'sunny';
      },
    });
    const call = { tool: { name: 'weather', arguments: { city: 'Bern' } }, text: 'It is sunny' };
    for (const generate of [generateText, streamText]) {
      const options = { model, tools: { weather }, stopWhen: stepCountIs(3), prompt: script(call) };
      const answer = await generate(options);
      assert.equal(await answer.text, 'It is sunny');
      assert.equal((await answer.steps).length, 2);
    }
    assert.deepEqual(cities, ['Bern', 'Bern']);
    assert.equal((await journal())[1].body.messages.at(-1).role, 'tool');
  });

  it('is billed to the token', async () => {
    const other = await register();
    const theirs = modelWith(other.key);
    await generateText({ model: theirs, prompt: script({ tokens: 12, reasoning: 4 }) });
    await collect(streamText({ model: theirs, prompt: script({ tokens: 12 }) }).textStream);
    assert.deepEqual(differences(await settledLedger(other, 2), await journal()), []);
  });

  it('reports a wrong key and a spent quota as errors that are not retryable, asked once', async () => {
    const spent = await registerSpent();
    for (const [key, status, code] of [
      [WRONG_KEY, 401, 'invalid_api_key'],
      [spent.key, 402, 'insufficient_quota'],
    ]) {
      const before = await requestCount(ROUTE);
      const error = await refusal(generateText({ model: modelWith(key), prompt: 'hello' }));
      assert.ok(APICallError.isInstance(error));
      assert.deepEqual([error.statusCode, error.isRetryable, error.data.error.code], [status, false, code]);
      assert.equal(error.message, error.data.error.message);
      assert.equal((await requestCount(ROUTE)).total - before.total, 1);
    }
  });

  it('gets an error part when vLLM cuts the stream', async () => {
    const errors = [];
    const answer = streamText({
      model,
      prompt: script({ tokens: 20, dieAfterChunks: 5 }),
      onError: ({ error }) => errors.push(error),
    });
    const types = (await collect(answer.fullStream)).map(({ type }) => type);
    assert.ok(types.includes('error'));
    assert.match(JSON.stringify(errors[0].message ?? errors[0]), /connection to the model server broke/);
  });
});
