import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import OpenAI, { APIError, BadRequestError } from 'openai';
import {
  baseURL,
  forgetJournal,
  journal,
  MODEL,
  register,
  registerSpent,
  script,
  settledLedger,
} from '../support/gateway.js';
import { collect, refusal } from '../support/outcome.js';

const WEATHER = {
  type: 'function',
  name: 'weather',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};

describe('openai, responses', () => {
  let client;
  before(async () => {
    client = new OpenAI({ baseURL, apiKey: (await register()).key });
  });
  beforeEach(forgetJournal);

  it('answers: text, usage, the public model name', async () => {
    const response = await client.responses.create({ model: MODEL, input: script({ text: 'Hello there' }) });
    assert.equal(response.output_text, 'Hello there');
    assert.deepEqual([response.status, response.model, response.store], ['completed', MODEL, false]);
    const [entry] = await journal();
    assert.equal(response.usage.output_tokens, entry.completionTokens);
    assert.equal(response.usage.input_tokens, entry.promptTokens);
  });

  it('streams the same, and the helper puts it together', async () => {
    const input = script({ reasoning: 'Hm', text: 'Hello there' });
    const whole = await client.responses.create({ model: MODEL, input });
    const stream = client.responses.stream({ model: MODEL, input });
    let text = '';
    stream.on('response.output_text.delta', ({ delta }) => (text += delta));
    const response = await stream.finalResponse();
    assert.deepEqual([text, response.output_text], ['Hello there', 'Hello there']);
    assert.deepEqual(
      response.output.map(({ type }) => type),
      whole.output.map(({ type }) => type),
    );
    assert.equal(response.usage.total_tokens, whole.usage.total_tokens);
  });

  it('calls a tool, and goes on from its output', async () => {
    const input = [
      { role: 'user', content: script({ tool: { name: 'weather', arguments: { city: 'Köln' } } }) },
    ];
    const asked = await client.responses.create({ model: MODEL, input, tools: [WEATHER] });
    const call = asked.output.find(({ type }) => type === 'function_call');
    assert.deepEqual([call.name, JSON.parse(call.arguments)], ['weather', { city: 'Köln' }]);
    const answered = await client.responses.create({
      model: MODEL,
      input: [
        ...input,
        ...asked.output,
        { type: 'function_call_output', call_id: call.call_id, output: 'rain' },
      ],
      tools: [WEATHER],
    });
    assert.equal(answered.status, 'completed');
    assert.ok(answered.output_text);
  });

  it('bills a stream that is left in the middle as far as it came', async () => {
    const leaver = await register();
    const own = new OpenAI({ baseURL, apiKey: leaver.key });
    const input = script({ tokens: 400, tbtMs: 10 });
    const stream = await own.responses.create({ model: MODEL, input, stream: true });
    let parts = 0;
    for await (const { type } of stream) if (type === 'response.output_text.delta' && ++parts === 20) break;
    const [row] = await settledLedger(leaver, 1);
    const [entry] = await journal();
    assert.deepEqual([row.outcome, row.prompt_tokens], ['client_closed', entry.promptTokens]);
    assert.ok(row.completion_tokens >= parts && row.completion_tokens <= entry.completionTokens);
  });

  it('raises what is refused, and a stream that breaks', async () => {
    const kept = await refusal(
      client.responses.create({ model: MODEL, input: 'hi', previous_response_id: 'resp_1' }),
    );
    assert.ok(kept instanceof BadRequestError);
    assert.equal(kept.param, 'previous_response_id');
    const spent = new OpenAI({ baseURL, apiKey: (await registerSpent()).key });
    assert.equal((await refusal(spent.responses.create({ model: MODEL, input: 'hi' }))).status, 402);
    const input = script({ tokens: 9, dieAfterChunks: 4 });
    const broken = await client.responses.create({ model: MODEL, input, stream: true });
    const error = await refusal(collect(broken));
    assert.ok(error instanceof APIError);
    assert.match(error.message, /model server/);
  });
});
