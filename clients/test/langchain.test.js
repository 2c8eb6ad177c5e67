import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
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
const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};
const modelWith = (apiKey) => new ChatOpenAI({ model: MODEL, apiKey, configuration: { baseURL } });

describe('LangChain', () => {
  let user;
  let model;
  before(async () => {
    user = await register();
    model = modelWith(user.key);
  });
  beforeEach(forgetJournal);

  it('invokes, with usage_metadata as vLLM counted', async () => {
    const answer = await model.invoke(script({ text: 'Well met' }));
    assert.equal(answer.content, 'Well met');
    const [entry] = await journal();
    assert.equal(answer.usage_metadata.input_tokens, entry.promptTokens);
    assert.equal(answer.usage_metadata.output_tokens, entry.completionTokens);
  });

  it('streams, and the chunks add up to text and usage_metadata', async () => {
    const chunks = await collect(await model.stream(script({ text: 'One word after the other' })));
    const answer = chunks.reduce((sum, chunk) => sum.concat(chunk));
    assert.equal(answer.content, 'One word after the other');
    const [entry] = await journal();
    assert.equal(answer.usage_metadata.total_tokens, entry.promptTokens + entry.completionTokens);
  });

  it('binds tools, streamed and not, and takes the result back', async () => {
    const bound = model.bindTools([WEATHER]);
    const question = new HumanMessage(
      script({ tool: { name: 'weather', arguments: { city: 'Bern' } }, text: 'It is sunny' }),
    );
    const call = await bound.invoke([question]);
    assert.deepEqual(call.tool_calls[0].args, { city: 'Bern' });
    const chunks = await collect(await bound.stream([question]));
    assert.deepEqual(chunks.reduce((sum, chunk) => sum.concat(chunk)).tool_calls[0].args, { city: 'Bern' });
    const result = new ToolMessage({ content: 'sunny', tool_call_id: call.tool_calls[0].id });
    assert.equal((await bound.invoke([question, call, result])).content, 'It is sunny');
  });

  it('is billed to the token', async () => {
    const other = await register();
    const theirs = modelWith(other.key);
    await theirs.invoke(script({ tokens: 12 }));
    await collect(await theirs.stream(script({ tokens: 12 })));
    assert.deepEqual(differences(await settledLedger(other, 2), await journal()), []);
  });

  it('reports a wrong key, a missing model and a spent quota at once, asked once', async () => {
    const spent = await registerSpent();
    const cases = [
      [modelWith(WRONG_KEY), 401, 'MODEL_AUTHENTICATION', /API key is not valid/],
      [
        new ChatOpenAI({ model: 'gpt-5', apiKey: user.key, configuration: { baseURL } }),
        404,
        'MODEL_NOT_FOUND',
        /gpt-5/,
      ],
      [modelWith(spent.key), 402, undefined, /token quota of your account is used up/],
    ];
    for (const [asked, status, code, message] of cases) {
      const before = await requestCount(ROUTE);
      const error = await refusal(asked.invoke('hello'));
      assert.deepEqual([error.status, error.lc_error_code], [status, code]);
      assert.match(error.message, message);
      assert.equal((await requestCount(ROUTE)).total - before.total, 1);
    }
  });
});
