import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { onlyUpstream } from './support/only-upstream';
import { LostTime } from './support/lost-time';
import { slowness } from './support/slowness';
import { call, StreamCall } from './support/stream-client';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

/** Nobody waits for a first token that comes so late: the client leaves before. */
const NEVER_MS = 60_000;

const picture = (bytes: number) => [
  { type: 'text', text: `What is this? SIM:{"ttftMs":${NEVER_MS}}` },
  { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(bytes)}` } },
];

describe('metering of what its client leaves', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: { models: [{ id: 'served', maxModelLen: 32_768 }], reasoning: true },
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
    more: Pick<StreamCall, 'hangUpAfterBytes' | 'hangUpAfterMs' | 'hangUpOnce'>,
    path = '/v1/chat/completions',
  ) =>
    call({ url: gateway.url, path, credential: user.key, body: { model: 'opencode-llm', ...body }, ...more });
  const generations = () =>
    gateway.simulator.journal.entries.filter((entry) => entry.path.endsWith('completions'));
  /** vLLM has had it for so long that the head of its answer is there. */
  const isWaitedFor = () => generations().some(({ startedAt }) => Date.now() - startedAt >= 200);

  it('bills an aborted stream by the last count and stops vLLM within a second, a hundred times', async () => {
    const lost = new LostTime();
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const body = { messages: said({ tokens: 200, tbtMs: 20 }), stream: true, n: (index % 3) + 1 };
        return { ...(await ask(body, { hangUpAfterBytes: 1_000 + index * 100 })), leftAt: Date.now() };
      }),
    );
    const lastAt = Date.now();
    const rows = await settledRows(gateway, user.id);
    const settledAt = Date.now();
    const settling = settledAt - lastAt - (await lost.between(lastAt, settledAt));
    expect(settling).toBeLessThan(2_000 * slowness());
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
      const [leftAt, cancelledAt] = [answer?.leftAt ?? 0, entry?.cancelledAt ?? 0];
      expect(cancelledAt - leftAt - lost.soFar(leftAt, cancelledAt)).toBeLessThan(1_000);
    }
    await lost.stop();
  });

  it('has one row for each of fifty streams that are left early, with the prompt of those that vLLM got', async () => {
    const body = { messages: said({ ttftMs: NEVER_MS }), stream: true };
    const early = Array.from({ length: 49 }, (_, at) => ask(body, { hangUpAfterMs: 50 + 20 * at }));
    await Promise.all([...early, ask(body, { hangUpOnce: isWaitedFor })]);
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
    await ask({ messages: said({ ttftMs: NEVER_MS }), stream: true }, { hangUpOnce: isWaitedFor });
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
    ['a short one', said({ ttftMs: NEVER_MS }), {}],
    ['a long one', [{ role: 'user', content: `${'word '.repeat(2_000)}SIM:{"ttftMs":${NEVER_MS}}` }], {}],
    ['one with an image', [{ role: 'user', content: picture(300_000) }], {}],
    ['one of token ids', undefined, { prompt: Array.from({ length: 500 }, () => 100_000) }],
  ])('takes a prompt nobody can count for about its text: %s', async (_, messages, more) => {
    const { settings } = gateway.simulator;
    Object.assign(settings, { tokenize: 'missing', timeToFirstTokenMs: NEVER_MS });
    try {
      const path = messages ? '/v1/chat/completions' : '/v1/completions';
      await ask({ messages, stream: true, ...more }, { hangUpOnce: isWaitedFor }, path);
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
          .spyOn(onlyUpstream(gateway).vllm, 'countTokens')
          .mockRejectedValue(new TypeError('of a kind of its own')),
    ],
  ])('settles what a client left before its first event when %s', async (_, fails) => {
    Object.assign(gateway.simulator.settings, { timeToFirstTokenMs: NEVER_MS });
    fails();
    try {
      await ask({ messages: said({ tokens: 5 }), stream: true }, { hangUpOnce: isWaitedFor });
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
    ['one answer, until vLLM goes on', 1, 50, 'cancelled'],
    ['several, to their end', 2, 10, 'completed'],
  ])('counts hidden thinking whose client left meanwhile: of %s', async (_, n, tokens, ending) => {
    const messages = said({ reasoning: 20, tokens, tbtMs: 100 });
    const hasBegun = () => (generations()[0]?.completionTokens ?? 0) >= 5;
    const body = { messages, stream: true, n, include_reasoning: false };
    const before = await ask(body, { hangUpOnce: hasBegun });
    expect(before.text).not.toContain('"content":" ');
    const [row] = await settledRows(gateway, user.id);
    const [generation] = generations();
    expect(row).toMatchObject({
      outcome: 'client_closed',
      status: 499,
      source: 'exact',
      prompt_tokens: generation?.promptTokens,
    });
    expect(generation?.outcome).toBe(ending);
    expect(row?.completion_tokens).toBeGreaterThanOrEqual(20 * n);
    expect(row?.completion_tokens).toBeLessThanOrEqual(generation?.completionTokens ?? 0);
    expect((generation?.completionTokens ?? 0) - (row?.completion_tokens ?? 0)).toBeLessThan(5);
  });

  it('counts a call of a tool that a parser held back when the client left, until vLLM goes on', async () => {
    const call = { name: 'write', arguments: { text: 'and so on '.repeat(12) }, heldBack: true };
    const messages = said({ toolCalls: [call, call], tbtMs: 100 });
    const tools = [{ type: 'function', function: { name: 'write', parameters: { type: 'object' } } }];
    const isHeldBack = () => (generations()[0]?.completionTokens ?? 0) >= 40;
    const before = await ask({ messages, tools, stream: true }, { hangUpOnce: isHeldBack });
    expect(before.text).not.toContain('and so on');
    const [row] = await settledRows(gateway, user.id);
    const [generation] = generations();
    expect(row).toMatchObject({ outcome: 'client_closed', source: 'exact' });
    expect(row?.completion_tokens).toBeGreaterThanOrEqual(40);
    expect(generation?.outcome).toBe('cancelled');
    expect((generation?.completionTokens ?? 0) - (row?.completion_tokens ?? 0)).toBeLessThan(5);
  });

  it('finishes and bills an answer whose client left, when it is not a stream', async () => {
    const areUnderWay = () => generations().length === 10;
    await Promise.all(
      Array.from({ length: 10 }, () =>
        ask({ messages: said({ tokens: 50, tbtMs: 100 }) }, { hangUpOnce: areUnderWay }),
      ),
    );
    const rows = await settledRows(gateway, user.id);
    expect(rows).toHaveLength(10);
    for (const row of rows) {
      expect(row).toMatchObject({ outcome: 'client_closed', source: 'exact', completion_tokens: 50 });
    }
    expect(generations().every((entry) => entry.outcome === 'completed')).toBe(true);
  });
});
