import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';

const MESSAGES = [{ role: 'user', content: 'Hello there' }];
const script = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

describe('the proxy', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: { models: [{ id: 'served-model', maxModelLen: 8_192 }], apiKey: 'upstream-secret' },
      settings: {
        VLLM_API_KEY: 'upstream-secret',
      },
    });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  const chat = (body: object, headers?: Record<string, string>) =>
    gateway.post('/v1/chat/completions', user.key, { model: 'opencode-llm', ...body }, headers);
  /** What vLLM was asked to generate; now and then it is asked for its models, too, and to count. */
  const generations = () =>
    gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));
  const errorOf = async (answer: Response) =>
    ((await answer.json()) as { error: { message: string; type: string; code: unknown; param: unknown } })
      .error;

  describe('answers', () => {
    it('come under the public name with everything else as vLLM sent it', async () => {
      const answer = await chat({ messages: MESSAGES, max_tokens: 8 });
      const body = (await answer.json()) as Record<string, unknown>;
      expect(answer.status).toBe(200);
      expect(body).toMatchObject({ object: 'chat.completion', model: 'opencode-llm' });
      expect(Object.keys(body)).toEqual(
        expect.arrayContaining(['id', 'created', 'choices', 'usage', 'prompt_logprobs']),
      );
    });

    it('stream events without usage to a client that did not ask, and end with [DONE]', async () => {
      const text = await (await chat({ messages: MESSAGES, max_tokens: 8, stream: true })).text();
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
      expect(text).not.toContain('"usage"');
      expect(text).not.toContain('served-model');
      expect(generations()[0]?.body).toMatchObject({
        stream_options: { include_usage: true, continuous_usage_stats: true },
      });
    });

    it('end once a stream has said [DONE], also when vLLM keeps its connection', async () => {
      const began = performance.now();
      const steps = { tokens: 4, holdAfterDone: true };
      const text = await (await chat({ messages: script(steps), stream: true })).text();
      expect([text.endsWith('data: [DONE]\n\n'), text.includes('"error"')]).toEqual([true, false]);
      // Far less than UPSTREAM_IDLE_TIMEOUT_MS.
      expect(performance.now() - began).toBeLessThan(20_000);
      const rows = await settledRows(gateway, user.id);
      expect(rows.at(-1)).toMatchObject({ outcome: 'completed', source: 'exact', completion_tokens: 4 });
    });

    it('show exactly the usage that was asked for, for one choice and for three', async () => {
      const usages = async (stream_options: unknown, n: number) => {
        const text = await (
          await chat({ messages: MESSAGES, max_tokens: 6, n, stream: true, stream_options })
        ).text();
        const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
        const parsed = events.map(
          (event) => JSON.parse(event.slice(6)) as { choices: unknown[]; usage?: unknown },
        );
        return {
          middle: parsed.filter((event) => event.choices.length > 0 && event.usage !== undefined).length,
          final: parsed.filter((event) => event.choices.length === 0).length,
          events: parsed.filter((event) => event.choices.length > 0).length,
        };
      };
      for (const n of [1, 3]) {
        for (const quiet of [
          undefined,
          null,
          {},
          { include_usage: false },
          { continuous_usage_stats: true },
        ]) {
          expect(await usages(quiet, n)).toMatchObject({ middle: 0, final: 0 });
        }
        expect(await usages({ include_usage: true }, n)).toMatchObject({ middle: 0, final: 1 });
        const all = await usages({ include_usage: true, continuous_usage_stats: true }, n);
        expect(all).toMatchObject({ middle: all.events, final: 1 });
      }
    });

    it("carry vLLM's fingerprint where vLLM puts it: in a whole answer, and in the event of the usage", async () => {
      const FINGERPRINT = 'vllm-0.33.0-simulated';
      const whole = await chat({ messages: MESSAGES, max_tokens: 2 });
      expect(await whole.json()).toMatchObject({ system_fingerprint: FINGERPRINT });
      const text = async (stream_options: object) =>
        (await chat({ messages: MESSAGES, max_tokens: 2, stream: true, stream_options })).text();
      const withUsage = (await text({ include_usage: true })).split('\n\n');
      expect(withUsage.findIndex((event) => event.includes(`"system_fingerprint":"${FINGERPRINT}"`))).toBe(
        withUsage.findIndex((event) => event.includes('"usage":{')),
      );
      expect(await text({})).not.toContain('fingerprint');
    });

    it('carry tool calls, reasoning and logprobs through', async () => {
      const tools = [{ type: 'function', function: { name: 'bash', parameters: { type: 'object' } } }];
      const call = await chat({
        messages: script({ tool: { name: 'bash', arguments: { command: 'ls' } } }),
        tools,
      });
      const body = (await call.json()) as {
        choices: { message: { tool_calls: { function: { name: string } }[] } }[];
      };
      expect(body.choices[0]?.message.tool_calls[0]?.function.name).toBe('bash');
      const text = await (
        await chat({ messages: script({ reasoning: 'let me think' }), stream: true })
      ).text();
      expect(text).toContain('"reasoning":"');
      const logprobs = await chat({ messages: MESSAGES, logprobs: true, top_logprobs: 2, max_tokens: 2 });
      expect(JSON.stringify(await logprobs.json())).toContain('"top_logprobs":[{');
    });

    it('are found for old completions and for a session at /chat/completions, by prompt or messages', async () => {
      const old = await gateway.post('/v1/completions', user.key, {
        model: 'served-model',
        prompt: ['a', 'b'],
        n: 2,
      });
      expect(((await old.json()) as { choices: unknown[] }).choices).toHaveLength(4);
      const bySession = await gateway.post('/chat/completions', user.accessToken, { messages: MESSAGES });
      expect(await bySession.json()).toMatchObject({ object: 'chat.completion' });
      const byPrompt = await gateway.post('/chat/completions', user.accessToken, {
        prompt: 'Once',
        max_tokens: 3,
      });
      expect(await byPrompt.json()).toMatchObject({ object: 'text_completion' });
    });

    it('take a body of megabytes and an image as a data URL', async () => {
      const long = await chat({
        messages: [{ role: 'user', content: 'x'.repeat(3_000_000) }],
        max_tokens: 1,
      });
      expect(long.status).toBe(400);
      expect((await errorOf(long)).message).toMatch(/maximum context length/);
      const url = `data:image/png;base64,${'A'.repeat(1_000_000)}`;
      const image = await chat({
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
      });
      expect(image.status).toBe(200);
      const { usage } = (await image.json()) as { usage: { prompt_tokens: number } };
      const sent = generations().at(-1);
      expect(JSON.stringify(sent?.body)).toContain(url);
      expect(usage.prompt_tokens).toBe(sent?.promptTokens);
      const rows = await settledRows(gateway, user.id);
      expect(rows.at(-1)).toMatchObject({ prompt_tokens: sent?.promptTokens, source: 'exact' });
    });
  });

  describe('max_tokens', () => {
    it("of 32000 becomes what the window leaves, so that opencode's wish is never a 400", async () => {
      const answer = await chat({ messages: MESSAGES, max_tokens: 32_000 });
      expect(answer.status).toBe(200);
      const [sent] = generations();
      expect(sent?.body).toMatchObject({ max_tokens: 8_192 - (sent?.promptTokens ?? 0) });
    });
  });

  describe('towards vLLM', () => {
    it('sends headers of its own and never the key, cookies or ids of the client', async () => {
      await chat(
        { messages: MESSAGES, max_tokens: 2, priority: -5, cache_salt: 'mine', user: 'someone' },
        {
          cookie: 'a=b',
          'x-request-id': 'evil',
          'x-forwarded-for': '1.2.3.4',
          traceparent: '00-x',
          'x-vllm-priority': '9',
        },
      );
      const [entry] = generations();
      expect(Object.keys(entry?.headers ?? {}).sort()).toEqual(
        [
          'accept',
          'authorization',
          'connection',
          'content-length',
          'content-type',
          'host',
          'x-request-id',
        ].sort(),
      );
      expect(entry?.headers.authorization).toBe('Bearer upstream-secret');
      expect(entry?.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(entry?.body).not.toHaveProperty('priority');
      expect(entry?.body).toMatchObject({ cache_salt: expect.not.stringMatching(/^mine$/) });
      expect(JSON.stringify(gateway.simulator.journal.entries)).not.toContain(user.key);
    });

    it('salts the prefix cache by user', async () => {
      const other = await gateway.register();
      await chat({ messages: MESSAGES, max_tokens: 2 });
      await chat({ messages: MESSAGES, max_tokens: 2 });
      await gateway.post('/v1/chat/completions', other.key, {
        model: 'opencode-llm',
        messages: MESSAGES,
        max_tokens: 2,
      });
      const salts = generations().map((entry) => (entry.body as { cache_salt: string }).cache_salt);
      expect(salts[0]).toBe(salts[1]);
      expect(salts[2]).not.toBe(salts[0]);
    });

    it('dispatches nothing for a body that is not right', async () => {
      for (const body of [
        '{"a":',
        '',
        'null',
        '[]',
        '"x"',
        '\ufeff{}',
        '{"model":"opencode-llm",}',
        '{"messages":[]}',
      ]) {
        const answer = await gateway.post('/v1/chat/completions', user.key, body);
        expect(answer.status).toBe(400);
        expect((await errorOf(answer)).type).toBe('invalid_request_error');
      }
      const type = await gateway.post('/v1/chat/completions', user.key, '{}', {
        'content-type': 'text/plain',
      });
      expect(type.status).toBe(415);
      expect(generations()).toHaveLength(0);
    });
  });

  describe('the models', () => {
    it('are listed under their public names without the paths of the server', async () => {
      const list = (await (await gateway.get('/v1/models', user.key)).json()) as { data: { id: string }[] };
      expect(list.data.map((model) => model.id)).toEqual(['opencode-llm', 'served-model']);
      expect(JSON.stringify(list)).not.toMatch(/root|permission|parent/);
      const one = await gateway.get('/v1/models/opencode-llm', user.key);
      expect(await one.json()).toMatchObject({ id: 'opencode-llm', context_length: 8_192 });
      expect((await gateway.get('/v1/models/nope', user.key)).status).toBe(404);
    });

    it('a key does not name do not exist for it', async () => {
      const made = await gateway.post('/users/me/api-keys', user.accessToken, {
        name: 'narrow',
        models: ['served-model'],
      });
      const { key } = (await made.json()) as { key: string };
      const list = (await (await gateway.get('/v1/models', key)).json()) as { data: { id: string }[] };
      expect(list.data.map((model) => model.id)).toEqual(['served-model']);
      const refused = await gateway.post('/v1/chat/completions', key, {
        model: 'opencode-llm',
        messages: MESSAGES,
      });
      expect([refused.status, (await errorOf(refused)).code]).toEqual([404, 'model_not_found']);
    });
  });

  it('knows no path of vLLM but its own', async () => {
    for (const path of [
      '/invocations',
      '/tokenize',
      '/metrics',
      '/v1/tokenize',
      '/pause',
      '/v1/load_lora_adapter',
    ]) {
      expect((await gateway.post(path, user.key, { model: 'x', user: 'somebody' })).status).toBe(404);
    }
    const passedOn = gateway.simulator.journal.entries.filter(
      ({ path, body }) =>
        !['/v1/models', '/tokenize'].includes(path) || JSON.stringify(body).includes('somebody'),
    );
    expect(passedOn).toEqual([]);
  });
});
