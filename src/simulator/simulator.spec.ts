import { sendRaw } from '../../test/support/raw-http';
import { send } from '../../test/support/send';
import type { Simulator } from './simulator';
import { startSimulator } from './simulator';

describe('the simulator', () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator({
      models: [{ id: 'tiny', maxModelLen: 2_048, aliases: ['tiny-alias'] }],
      promptTokensDetails: true,
    });
  });

  afterAll(() => simulator.close());

  const said = (script: object) => [{ role: 'user', content: `SIM:${JSON.stringify(script)}` }];
  const post = (path: string, json: unknown, headers?: Record<string, string>) =>
    send(simulator.baseUrl + path, { json, headers });
  const chat = (body: object, headers?: Record<string, string>) =>
    post('/v1/chat/completions', { messages: [{ role: 'user', content: 'hello' }], ...body }, headers);
  const complete = (body: object) => post('/v1/completions', { prompt: 'hello', ...body });
  const choicesOf = (body: Record<string, unknown>) => body.choices as Record<string, unknown>[];

  describe('JSON answers', () => {
    it('of a chat have the keys of vLLM in its order, and name what is null', async () => {
      const { text } = await chat({ messages: said({ text: 'ok', tokens: 1 }) });
      const fixed = text.replace(/"created":\d+/, '"created":1').replace(/chatcmpl-[0-9a-f]{16}/, 'ID');
      expect(fixed).toMatch(
        /^{"id":"ID","object":"chat\.completion","created":1,"model":"tiny","choices":\[{"index":0,"message":{"role":"assistant","content":"ok","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null,"routed_experts":null,"weight_versions":null}\],"service_tier":null,"system_fingerprint":"[^"]+","usage":{"prompt_tokens":\d+,"total_tokens":\d+,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":0,"created_cache_tokens":0,"multimodal_tokens":null},"completion_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}$/,
      );
    });

    it('of a completion have no prompt fields outside their choices', async () => {
      const { body } = await complete({ max_tokens: 2 });
      expect(Object.keys(body).join()).toBe(
        'id,object,created,model,choices,service_tier,system_fingerprint,usage,kv_transfer_params,ec_transfer_params,metrics',
      );
      expect(Object.keys(choicesOf(body)[0] ?? {}).join()).toBe(
        'index,text,logprobs,finish_reason,stop_reason,token_ids,prompt_logprobs,prompt_token_ids,routed_experts,weight_versions',
      );
    });

    it('sum completion tokens over n choices and count the prompt once', async () => {
      const one = await chat({ messages: said({ tokens: 9 }) });
      const three = await chat({ messages: said({ tokens: 9 }), n: 3 });
      const { prompt_tokens } = one.body.usage as { prompt_tokens: number };
      expect(three.body.usage).toMatchObject({ prompt_tokens, completion_tokens: 27 });
      expect(choicesOf(three.body).map(({ index }) => index)).toEqual([0, 1, 2]);
    });

    it('let each choice have a length of its own', async () => {
      const { body } = await chat({ messages: said({ tokensByChoice: [4, 9] }), n: 2 });
      expect(body.usage).toMatchObject({ completion_tokens: 13 });
    });

    it('number the choices of a prompt list by prompt, and sum both counts over the prompts', async () => {
      const { body } = await complete({ prompt: ['hello', 'hello world'], n: 2, max_tokens: 3 });
      expect(choicesOf(body).map(({ index }) => index)).toEqual([0, 1, 2, 3]);
      expect(body.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 12 });
    });

    it('count token ids as one prompt', async () => {
      const { body } = await complete({ prompt: [40, 41, 42], max_tokens: 1 });
      expect(body.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 1 });
    });

    it('end with length at max_tokens, and generate 16 tokens of a completion that does not say', async () => {
      const cut = await chat({ messages: said({ tokens: 50 }), max_tokens: 5 });
      expect(choicesOf(cut.body)[0]).toMatchObject({ finish_reason: 'length' });
      expect(cut.body.usage).toMatchObject({ completion_tokens: 5 });
      const { body } = await complete({ ignore_eos: true });
      expect(body.usage).toMatchObject({ completion_tokens: 16 });
    });

    it('fill the window when eos is ignored and nothing limits them', async () => {
      const { body } = await complete({ prompt: Array(2_000).fill(40), max_tokens: 2_048, ignore_eos: true });
      expect(choicesOf(body)[0]).toMatchObject({ finish_reason: 'length' });
      expect(body.usage).toMatchObject({ total_tokens: 2_048 });
    });

    it('cut the text at a stop string and still count its tokens', async () => {
      const { body } = await chat({ messages: said({ text: 'one two three', tokens: 9 }), stop: ' two' });
      expect(choicesOf(body)[0]).toMatchObject({
        message: { content: 'one' },
        finish_reason: 'stop',
        stop_reason: ' two',
      });
      expect(body.usage).toMatchObject({ completion_tokens: 2 });
    });

    it('carry the request id of the header, else of the body', async () => {
      expect((await chat({}, { 'x-request-id': 'mine' })).body.id).toBe('chatcmpl-mine');
      expect((await chat({ request_id: 'body' })).body.id).toBe('chatcmpl-body');
      expect((await chat({ request_id: 'body' }, { 'x-request-id': 'mine' })).body.id).toBe('chatcmpl-mine');
      expect((await complete({})).body.id).toMatch(/^cmpl-[0-9a-f]{16}$/);
    });

    it('report cached tokens in whole blocks, and none for another salt', async () => {
      const messages = [{ role: 'user', content: 'the same long beginning '.repeat(20) }];
      const cached = async (cache_salt: string) => {
        const { body } = await chat({ messages, cache_salt, max_tokens: 1 });
        return (body.usage as { prompt_tokens_details: { cached_tokens: number } }).prompt_tokens_details
          .cached_tokens;
      };
      expect(await cached('one')).toBe(0);
      expect(await cached('one')).toBeGreaterThan(0);
      expect(await cached('two')).toBe(0);
    });
  });

  describe('tools', () => {
    const tools = [{ type: 'function', function: { name: 'look' } }];
    const call = { tool: { name: 'look', arguments: { at: 'it' } } };

    it('are called by the script when they are offered, and end with tool_calls', async () => {
      const { body } = await chat({ messages: said(call), tools });
      expect(choicesOf(body)[0]).toMatchObject({
        finish_reason: 'tool_calls',
        message: { content: '', tool_calls: [{ function: { name: 'look', arguments: '{"at":"it"}' } }] },
      });
    });

    it('that are named end with stop, those that are required with tool_calls', async () => {
      const named = await chat({ tools, tool_choice: { type: 'function', function: { name: 'look' } } });
      expect(choicesOf(named.body)[0]).toMatchObject({
        finish_reason: 'stop',
        message: { tool_calls: [{ function: { name: 'look' } }] },
      });
      const required = await chat({ tools, tool_choice: 'required' });
      expect(choicesOf(required.body)[0]).toMatchObject({ finish_reason: 'tool_calls' });
    });

    it('that were cut by max_tokens show their markup as content', async () => {
      const { body } = await chat({ messages: said(call), tools, max_tokens: 8 });
      const [choice] = choicesOf(body);
      expect(choice).toMatchObject({ finish_reason: 'length' });
      expect(choice?.message).toMatchObject({ content: '<tool_call>\n{"name": "look",' });
      expect(choice?.message).not.toHaveProperty('tool_calls');
    });

    it('are not called again once their result is there', async () => {
      const messages = [...said(call), { role: 'tool', tool_call_id: 'x', content: 'seen' }];
      const { body } = await chat({ messages, tools });
      expect(choicesOf(body)[0]).toMatchObject({ finish_reason: 'stop' });
    });
  });

  describe('refusals', () => {
    const error = (status: number, type: string, param: string | null) => ({
      status,
      body: { error: { type, param, code: status, message: expect.any(String) as string } },
    });

    it.each<[string, object, string | null]>([
      ['n of 0', { n: 0 }, null],
      ['greedy sampling of several answers', { n: 2, temperature: 0 }, null],
      ['a temperature above 2', { temperature: 2.1 }, 'temperature'],
      ['a top_p of 0', { top_p: 0 }, 'top_p'],
      ['a penalty above 2', { presence_penalty: 2.1 }, null],
      ['max_tokens of 0', { max_tokens: 0 }, 'max_tokens'],
      ['max_tokens above the window', { max_tokens: 2_049 }, 'max_tokens'],
      ['max_completion_tokens above the window', { max_completion_tokens: 5_000 }, 'max_completion_tokens'],
      ['min_tokens above max_tokens', { min_tokens: 6, max_tokens: 5 }, null],
      ['stream_options without a stream', { stream_options: { include_usage: true } }, 'stream_options'],
      ['an empty list of tools', { tools: [] }, 'tools'],
      ['a tool choice without tools', { tool_choice: 'auto' }, 'tool_choice'],
      ['logprobs above 20', { logprobs: true, top_logprobs: 21 }, 'logprobs'],
      ['top_logprobs without logprobs', { top_logprobs: 2 }, 'top_logprobs'],
      ['an empty stop string', { stop: '' }, null],
      ['a cache salt with a slash', { cache_salt: 'a/b' }, 'cache_salt'],
      ['a chat template', { chat_template: '' }, null],
      ['an empty conversation', { messages: [] }, null],
    ])('of %s are bad requests', async (_, body, param) => {
      expect(await chat(body)).toMatchObject(error(400, 'BadRequestError', param));
    });

    it.each<[string, object, string]>([
      ['a stream that is no boolean', { stream: 2 }, 'body.stream'],
      ['messages that are no list', { messages: 'hi' }, 'body.messages'],
      ['more than four stop strings', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'body.stop'],
      ['a user that is no text', { user: 5 }, 'body.user'],
      ['a stream_interval of 0', { stream_interval: 0 }, 'body.stream_interval'],
    ])('of %s name the place in the body', async (_, body, param) => {
      expect(await chat(body)).toMatchObject(error(400, 'Bad Request', param));
    });

    it('of an unknown model are a 404 that names every alias', async () => {
      const answer = await chat({ model: 'nope' });
      expect(answer).toMatchObject(error(404, 'NotFoundError', 'model'));
      expect(answer.text).toContain('The model `nope` does not exist. Valid aliases: tiny, tiny-alias.');
    });

    it('of a prompt that fills the window differ by how far it is over', async () => {
      const ids = (count: number) => ({ prompt: Array(count).fill(40), max_tokens: 1 });
      expect((await complete(ids(2_047))).status).toBe(200);
      expect(await complete(ids(2_048))).toMatchObject(error(400, 'BadRequestError', 'max_tokens'));
      expect(await complete(ids(2_049))).toMatchObject(error(400, 'BadRequestError', 'input_tokens'));
      const far = await complete({ prompt: 'x'.repeat(30_000), max_tokens: 1 });
      expect(far).toMatchObject(error(400, 'BadRequestError', 'input_text'));
    });

    it.each(['{"model":', '', 'null', '[]', '"x"'])('of the body %j are bad requests', async (json) => {
      const answer = await post('/v1/chat/completions', json);
      expect(answer).toMatchObject({ status: 400, body: { error: { type: 'Bad Request', code: 400 } } });
    });
  });

  describe('routes', () => {
    it('list a card for each alias with the window', async () => {
      const { body } = await send(`${simulator.baseUrl}/v1/models`);
      expect(body.data).toMatchObject([
        { id: 'tiny', max_model_len: 2_048 },
        { id: 'tiny-alias', max_model_len: 2_048 },
      ]);
    });

    it('answer an alias under the name of its model, and a missing name with the first one', async () => {
      expect((await chat({ model: 'tiny-alias' })).body.model).toBe('tiny');
      expect((await chat({})).body.model).toBe('tiny');
    });

    it('answer /tokenize with the count that a chat reports for the same messages and tools', async () => {
      const asked = { messages: said({ tokens: 1 }), tools: [{ type: 'function', function: { name: 'f' } }] };
      const { body } = await post('/tokenize', asked);
      const { usage } = (await chat(asked)).body as { usage: { prompt_tokens: number } };
      expect(body).toMatchObject({ count: usage.prompt_tokens, max_model_len: 2_048, token_strs: null });
    });

    it('render documents and an effort, which /tokenize knows only as parameters of the template', async () => {
      const fields = { documents: [{ text: 'a fact' }], reasoning_effort: 'low' };
      const messages = said({ tokens: 1 });
      const prompt = async (more: object) => {
        const { usage } = (await chat({ messages, ...more })).body as { usage: { prompt_tokens: number } };
        return usage.prompt_tokens;
      };
      const counted = async (more: object) => (await post('/tokenize', { messages, ...more })).body.count;
      const whole = await prompt(fields);
      expect(whole).toBeGreaterThan(await prompt({ documents: fields.documents }));
      expect(await prompt({ chat_template_kwargs: fields })).toBe(whole);
      expect(await counted({ chat_template_kwargs: fields })).toBe(whole);
      expect(await counted(fields)).toBe(await prompt({}));
    });

    it('that do not exist are 404 and wrong methods 405, in the words of FastAPI', async () => {
      const unknown = await send(`${simulator.baseUrl}/v1/nope`);
      expect(unknown).toMatchObject({ status: 404, body: { detail: 'Not Found' } });
      const wrong = await send(`${simulator.baseUrl}/v1/chat/completions`);
      expect(wrong).toMatchObject({ status: 405, body: { detail: 'Method Not Allowed' } });
      expect(wrong.headers.get('allow')).toBe('POST');
    });

    it('redirect a slash at the end', async () => {
      const answer = await sendRaw(
        simulator.baseUrl,
        'POST /v1/completions/ HTTP/1.1\r\nhost: sim\r\ncontent-length: 0\r\n\r\n',
      );
      expect(answer).toMatch(/^HTTP\/1\.1 307 /);
      expect(answer).toContain('location: http://sim/v1/completions\r\n');
    });

    it('send the headers of uvicorn, and none about the connection', async () => {
      const answer = await sendRaw(simulator.baseUrl, 'GET /v1/models HTTP/1.1\r\nhost: sim\r\n\r\n');
      const names = answer
        .split('\r\n\r\n')[0]
        ?.split('\r\n')
        .slice(1)
        .map((line) => line.split(':')[0]?.toLowerCase());
      expect(names?.sort()).toEqual(['content-length', 'content-type', 'date', 'server', 'vary']);
    });
  });

  it('asks for its key under /v1 only, and refuses with a text for an error', async () => {
    const guarded = await startSimulator({ apiKey: 'secret' });
    try {
      const refused = await send(`${guarded.baseUrl}/v1/models`);
      expect(refused).toMatchObject({ status: 401, text: '{"error":"Unauthorized"}' });
      expect(refused.headers.has('vary')).toBe(false);
      expect((await send(`${guarded.baseUrl}/v1/nope`)).status).toBe(401);
      expect((await send(`${guarded.baseUrl}/v1/models`, { bearer: 'secret' })).status).toBe(200);
      expect((await send(`${guarded.baseUrl}/tokenize`, { json: { prompt: 'hello' } })).status).toBe(200);
    } finally {
      await guarded.close();
    }
  });
});
