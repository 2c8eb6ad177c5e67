import { Metrics } from '../src/observability/metrics';
import { SettlementService } from '../src/usage/admission/settlement.service';
import { SettlementSpool } from '../src/usage/spool/settlement-spool.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows, untilNothingOpen } from './support/ledger';
import { call } from './support/stream-client';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

const TOOLS = [{ type: 'function', function: { name: 'f', parameters: {} } }];

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

  const ask = (body: object) =>
    call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: user.key,
      body: { model: 'opencode-llm', ...body },
    });
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
    const spooled = jest.spyOn(gateway.app.get(SettlementSpool, { strict: false }), 'append');
    for (const stream of [true, false]) {
      await ask({ messages: said({ tokens: 9 }), stream });
      // Where PostgreSQL takes more than half a second it is on disk by then, and no more.
      if (spooled.mock.calls.length > 0) await untilNothingOpen(gateway);
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
    spooled.mockRestore();
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
