import { Metrics } from '../src/observability/metrics';
import { VllmApi } from '../src/proxy/upstream/vllm-api.service';
import { SettlementService } from '../src/usage/admission/settlement.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { call } from './support/stream-client';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

const TOOLS = [{ type: 'function', function: { name: 'f', parameters: {} } }];

const picture = (bytes: number) => [
  { type: 'text', text: 'What is this? SIM:{"ttftMs":3000}' },
  { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(bytes)}` } },
];

describe('metering', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: {
        models: [{ id: 'served', maxModelLen: 32_768 }],
        promptTokensDetails: true,
        reasoning: true,
      },
      settings: { DEFAULT_TOKEN_LIMIT: '1000000000' },
    });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    await gateway.simulator.journal.waitForIdle(30_000);
    gateway.simulator.journal.clear();
    user = await gateway.register();
  });

  const ask = (
    body: object,
    more: { hangUpAfterBytes?: number; hangUpAfterMs?: number } = {},
    path = '/v1/chat/completions',
  ) =>
    call({ url: gateway.url, path, credential: user.key, body: { model: 'opencode-llm', ...body }, ...more });
  const answersWithoutUsage = async () => {
    const missing = gateway.app.get(Metrics).registry.getSingleMetric('llm_gateway_usage_missing_total');
    return (await missing?.get())?.values[0]?.value as number;
  };
  const generations = () =>
    gateway.simulator.journal.entries.filter((entry) => entry.path.endsWith('completions'));

  it.each([
    ['a chat', { messages: said({ tokens: 20 }) }],
    ['a streamed chat', { messages: said({ tokens: 20 }), stream: true }],
    ['three choices', { messages: said({ tokens: 15 }), n: 3 }],
    ['three streamed choices', { messages: said({ tokens: 15 }), n: 3, stream: true }],
    [
      'eight with logprobs',
      { messages: said({ tokens: 9 }), n: 8, stream: true, logprobs: true, top_logprobs: 5 },
    ],
    [
      'tool calls',
      { messages: said({ tool: { name: 'f', arguments: { a: 1 } } }), tools: TOOLS, n: 2, stream: true },
    ],
    ['several tokens a chunk', { messages: said({ tokens: 21, tokensPerChunk: 4 }), stream: true }],
    ['reasoning', { messages: said({ reasoning: 'a long thought about this', tokens: 10 }), stream: true }],
  ])('bills %s as vLLM counted it', async (_, body) => {
    await ask(body);
    const rows = await settledRows(gateway, user.id);
    const [entry] = generations();
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      outcome: 'completed',
      source: 'exact',
      model: 'opencode-llm',
      prompt_tokens: entry?.promptTokens,
      completion_tokens: entry?.completionTokens,
      reasoning_tokens: entry?.reasoningTokens,
      cached_tokens: entry?.cachedTokens,
    });
    expect(rows[0]?.request_id).toBe(entry?.requestId);
  });

  it('bills cached tokens inside the prompt', async () => {
    const messages = [{ role: 'user', content: 'the same long prompt '.repeat(40) }];
    await ask({ messages, max_tokens: 2 });
    await ask({ messages, max_tokens: 2 });
    const rows = await settledRows(gateway, user.id);
    expect(rows[1]?.cached_tokens).toBeGreaterThan(0);
    expect(rows[1]?.cached_tokens).toBe(generations()[1]?.cachedTokens);
    expect(rows[1]?.prompt_tokens).toBe(rows[0]?.prompt_tokens);
  });

  it('bills an aborted stream by the last count and stops vLLM within a second, a hundred times', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const body = { messages: said({ tokens: 200, tbtMs: 20 }), stream: true, n: (index % 3) + 1 };
        return { ...(await ask(body, { hangUpAfterBytes: 1_000 + index * 100 })), leftAt: Date.now() };
      }),
    );
    const lastAt = Date.now();
    const rows = await settledRows(gateway, user.id);
    expect(Date.now() - lastAt).toBeLessThan(2_000);
    expect(rows).toHaveLength(100);
    for (const row of rows) {
      const entry = gateway.simulator.journal.find(row.request_id);
      const answer = answers.find((one) => one.requestId === row.request_id);
      const delivered = answer?.text.match(/"content":"[^"]+"/g)?.length ?? 0;
      expect(row).toMatchObject({
        outcome: 'client_closed',
        source: 'exact',
        prompt_tokens: entry?.promptTokens,
      });
      expect(row.completion_tokens).toBeGreaterThanOrEqual(delivered);
      expect(row.completion_tokens).toBeLessThanOrEqual(entry?.completionTokens ?? 0);
      expect((entry?.cancelledAt ?? 0) - (answer?.leftAt ?? 0)).toBeLessThan(1_000);
    }
  });

  it('has one row for each of fifty streams that are left early, with the prompt of those that vLLM got', async () => {
    const body = { messages: said({ ttftMs: 3_000 }), stream: true };
    await Promise.all(Array.from({ length: 50 }, (_, at) => ask(body, { hangUpAfterMs: 50 + 20 * at })));
    const rows = await settledRows(gateway, user.id);
    const asked = new Map(generations().map((entry) => [entry.requestId, entry.promptTokens]));
    expect(asked.size).toBeGreaterThan(0);
    expect(rows.filter((row) => row.outcome !== 'client_closed' || row.completion_tokens > 0)).toEqual([]);
    // One that leaves between dispatch and vLLM's ear may have been billed, too.
    for (const [id, prompt] of asked)
      expect(rows.find((row) => row.request_id === id)?.prompt_tokens).toBe(prompt);
    expect(generations().filter(({ outcome }) => outcome === 'completed')).toEqual([]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('bills the prompt of a stream that was left before its first token', async () => {
    await ask({ messages: said({ ttftMs: 3_000 }), stream: true }, { hangUpAfterMs: 300 });
    const rows = await settledRows(gateway, user.id);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      outcome: 'client_closed',
      prompt_tokens: generations()[0]?.promptTokens,
      completion_tokens: 0,
    });
    expect(generations()[0]?.outcome).toBe('cancelled');
  });

  it.each([
    ['a short one', said({ ttftMs: 3_000 }), {}],
    ['a long one', [{ role: 'user', content: `${'word '.repeat(2_000)}SIM:{"ttftMs":3000}` }], {}],
    ['one with an image', [{ role: 'user', content: picture(300_000) }], {}],
    ['one of token ids', undefined, { prompt: Array.from({ length: 500 }, () => 100_000) }],
  ])('takes a prompt nobody can count for about its text: %s', async (_, messages, more) => {
    const { settings } = gateway.simulator;
    Object.assign(settings, { tokenize: 'missing', timeToFirstTokenMs: 3_000 });
    try {
      const path = messages ? '/v1/chat/completions' : '/v1/completions';
      await ask({ messages, stream: true, ...more }, { hangUpAfterMs: 300 }, path);
      const [row] = await settledRows(gateway, user.id);
      const counted = generations()[0]?.promptTokens as number;
      expect(row).toMatchObject({ outcome: 'client_closed', source: 'estimated', completion_tokens: 0 });
      // An image is not billed: how many tokens it has depends on the model.
      expect(row?.prompt_tokens).toBeGreaterThanOrEqual(
        counted / (JSON.stringify(messages)?.includes('data:') ? 16 : 2),
      );
      expect(row?.prompt_tokens).toBeLessThanOrEqual(2 * counted);
    } finally {
      Object.assign(settings, { tokenize: 'served', timeToFirstTokenMs: 0 });
    }
  });

  it.each([
    ['/tokenize answers nonsense', () => Object.assign(gateway.simulator.settings, { tokenize: 'null' })],
    [
      'counting fails in a way nobody thought of',
      () =>
        jest
          .spyOn(gateway.app.get(VllmApi, { strict: false }), 'countTokens')
          .mockRejectedValue(new TypeError('of a kind of its own')),
    ],
  ])('settles what a client left before its first event when %s', async (_, fails) => {
    Object.assign(gateway.simulator.settings, { timeToFirstTokenMs: 3_000 });
    fails();
    try {
      await ask({ messages: said({ tokens: 5 }), stream: true }, { hangUpAfterMs: 300 });
      const rows = await settledRows(gateway, user.id);
      expect(rows).toMatchObject([{ outcome: 'client_closed', source: 'estimated', completion_tokens: 0 }]);
      expect(rows[0]?.prompt_tokens).toBeGreaterThan(0);
      expect(await counterDifferences(gateway)).toEqual([]);
    } finally {
      jest.restoreAllMocks();
      Object.assign(gateway.simulator.settings, { tokenize: 'served', timeToFirstTokenMs: 0 });
    }
  });

  it.each([
    ['one answer, until vLLM goes on', 1, 'cancelled'],
    ['several, to their end', 2, 'completed'],
  ])('counts hidden thinking whose client left meanwhile: of %s', async (_, n, ending) => {
    const messages = said({ reasoning: 40, tokens: 100, tbtMs: 20 });
    const before = await ask({ messages, stream: true, n, include_reasoning: false }, { hangUpAfterMs: 400 });
    expect(before.text).not.toContain('"content":" ');
    const [row] = await settledRows(gateway, user.id, 10_000);
    const [generation] = generations();
    expect(row).toMatchObject({
      outcome: 'client_closed',
      status: 499,
      source: 'exact',
      prompt_tokens: generation?.promptTokens,
    });
    expect(generation?.outcome).toBe(ending);
    expect(row?.completion_tokens).toBeGreaterThanOrEqual(40 * n);
    expect(row?.completion_tokens).toBeLessThanOrEqual(generation?.completionTokens ?? 0);
    expect((generation?.completionTokens ?? 0) - (row?.completion_tokens ?? 0)).toBeLessThan(5);
  });

  it('finishes and bills an answer whose client left, when it is not a stream', async () => {
    await Promise.all(
      Array.from({ length: 10 }, () =>
        ask({ messages: said({ tokens: 50, tbtMs: 40 }) }, { hangUpAfterMs: 1_000 }),
      ),
    );
    const rows = await settledRows(gateway, user.id);
    expect(rows).toHaveLength(10);
    for (const row of rows) {
      expect(row).toMatchObject({ outcome: 'client_closed', source: 'exact', completion_tokens: 50 });
    }
    expect(generations().every((entry) => entry.outcome === 'completed')).toBe(true);
  });

  it.each([
    ['omit', true],
    ['omit', false],
    ['bad', true],
    ['bad', false],
  ])(
    'marks an estimate when usage is %s (stream: %s), within a fifth of the truth, and counts it',
    async (usage, stream) => {
      const before = await answersWithoutUsage();
      await ask({ messages: said({ tokens: 40, usage }), stream });
      const [row] = await settledRows(gateway, user.id);
      const [entry] = generations();
      expect(row).toMatchObject({
        outcome: 'completed',
        source: 'estimated',
        prompt_tokens: entry?.promptTokens,
      });
      expect(row?.completion_tokens).toBeGreaterThanOrEqual(0.8 * 40);
      expect(row?.completion_tokens).toBeLessThanOrEqual(1.2 * 40);
      expect(await answersWithoutUsage()).toBe(before + 1);
      await ask({ messages: said({ tokens: 40 }), stream });
      expect(await answersWithoutUsage()).toBe(before + 1);
    },
  );

  it('believes an explicit zero', async () => {
    await ask({ messages: said({ tokens: 5, usage: 'zero' }) });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ source: 'exact', completion_tokens: 0 });
  });

  it('writes a row of zero tokens for what vLLM refused, and bills what a broken stream had counted', async () => {
    await ask({ messages: said({ status: 500 }) });
    await ask({ messages: [{ role: 'user', content: 'x' }], top_logprobs: 3 });
    await ask({ messages: said({ dieAfterChunks: 5, tokens: 50 }), stream: true });
    const rows = await settledRows(gateway, user.id);
    expect(rows.map((row) => row.outcome)).toEqual(['upstream_error', 'rejected', 'upstream_error']);
    expect(rows.slice(0, 2).every((row) => row.prompt_tokens + row.completion_tokens === 0)).toBe(true);
    const entry = gateway.simulator.journal.find(rows[2]?.request_id ?? '');
    expect(rows[2]?.prompt_tokens).toBe(entry?.promptTokens);
    expect(rows[2]?.completion_tokens).toBeGreaterThan(0);
    expect(rows[2]?.completion_tokens).toBeLessThanOrEqual(entry?.completionTokens ?? 0);
  });

  it('shows the user what was billed as soon as the answer is read', async () => {
    for (const stream of [true, false]) {
      await ask({ messages: said({ tokens: 9 }), stream });
      const usage = (await (await gateway.get('/users/usage', user.accessToken)).json()) as {
        tokens_used: number;
        totals: { total_tokens: number };
      };
      const truth = generations().reduce(
        (sum, entry) => sum + entry.promptTokens + entry.completionTokens,
        0,
      );
      expect(usage.totals.total_tokens).toBe(truth);
      expect(usage.tokens_used).toBe(truth);
    }
  });

  it('answers 500 when the metering itself fails after the dispatch, instead of leaving the client waiting', async () => {
    const settlements = gateway.app.get(SettlementService, { strict: false });
    const broken = jest.spyOn(settlements, 'settle').mockRejectedValue(new Error('out of order'));
    try {
      const { status, text } = await ask({ messages: said({ tokens: 3 }) });
      expect([status, text]).toEqual([500, expect.stringContaining('"error"')]);
    } finally {
      broken.mockRestore();
    }
  });
});
