import { AppLogger } from '../src/observability/app-logger';
import { Simulator, SimulatorOptions, startSimulator } from '../src/simulator/simulator';
import { asAdmin } from './support/administration';
import { TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { send } from './support/send';
import {
  chat,
  gatewayOver,
  gaugesOf,
  generations,
  readinessOf,
  SERVED,
  statusOf,
  until,
  usersOf,
} from './support/several-vllms';
import { CHAT } from './support/wire';

const startBoth = (one: SimulatorOptions, other: SimulatorOptions): Promise<[Simulator, Simulator]> =>
  Promise.all([startSimulator(one), startSimulator(other)]);
const over = (vllms: readonly Simulator[], settings?: Record<string, string>) =>
  gatewayOver(
    vllms.map(({ baseUrl }) => baseUrl),
    settings,
  );

describe('two servers with models of their own', () => {
  let vllms: [Simulator, Simulator];
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    vllms = await startBoth(
      { models: [{ id: 'large', maxModelLen: 32_768 }], apiKey: 'of-the-first' },
      { models: [{ id: 'small', maxModelLen: 4_096 }] },
    );
    gateway = await over(vllms, { VLLM_API_KEY: 'of-the-first,', MODEL_ALIASES: 'quick=small' });
    user = await gateway.register();
  });
  afterAll(async () => {
    await gateway.close();
    for (const vllm of vllms) await vllm.close();
  });

  it('are listed together, with the name that stands for the model of the first', async () => {
    const { body } = await send(`${gateway.url}/v1/models`, { bearer: user.key });
    const cards = body.data as { id: string; context_length: number }[];
    expect(cards.map(({ id, context_length }) => [id, context_length])).toEqual([
      ['opencode-llm', 32_768],
      ['quick', 4_096],
      ['large', 32_768],
      ['small', 4_096],
    ]);
  });

  it('are each asked for their own, with their own key, and count for it', async () => {
    // Near the limit vLLM counts.
    await gateway.dataSource.query(`UPDATE limits SET amount = 2000 WHERE subject_id = $1`, [user.id]);
    const long = (model: string) => ({ ...chat({ tokens: 3 }, model), max_tokens: 200 });
    const filler = { role: 'user', content: 'one two three '.repeat(150) };
    for (const model of ['large', 'small', 'quick', 'opencode-llm']) {
      const body = long(model);
      expect(await statusOf(gateway, user, { ...body, messages: [filler, ...body.messages] })).toBe(200);
    }
    const asked = vllms.map(({ journal }) =>
      journal.entries.map(({ path, body, headers }) => ({
        path,
        model: (body as { model?: string } | null)?.model,
        key: headers.authorization,
      })),
    );
    for (const [index, name] of ['large', 'small'].entries()) {
      const own = asked[index] ?? [];
      expect(new Set(own.map(({ model }) => model))).toEqual(new Set([undefined, name]));
      expect(new Set(own.map(({ key }) => key))).toEqual(
        new Set([index === 0 ? 'Bearer of-the-first' : undefined]),
      );
      expect(own.filter(({ path }) => path === CHAT)).toHaveLength(2);
      // The template's two, the calls' three, and the prompts.
      expect(own.filter(({ path }) => path === '/tokenize').length).toBeGreaterThan(5);
    }
    const rows = await settledRows(gateway, user.id);
    const truth = vllms.flatMap(generations);
    expect(rows).toHaveLength(4);
    for (const row of rows) {
      const entry = truth.find(({ requestId }) => requestId === row.request_id);
      expect([row.prompt_tokens, row.completion_tokens]).toEqual([
        entry?.promptTokens,
        entry?.completionTokens,
      ]);
    }
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('are told apart by the log lines of requests', async () => {
    const logged = jest.spyOn(gateway.app.get(AppLogger), 'closed');
    for (const model of ['large', 'quick'])
      expect(await statusOf(gateway, user, chat({ tokens: 1 }, model))).toBe(200);
    await settledRows(gateway, user.id);
    await until('logged', () => logged.mock.calls.length >= 2);
    const lines = logged.mock.calls.map(([, line]) => line as { model?: string; upstream?: string });
    expect(lines.map(({ model, upstream }) => [model, upstream])).toEqual([
      ['large', vllms[0].baseUrl],
      ['quick', vllms[1].baseUrl],
    ]);
    logged.mockRestore();
  });

  it('are each a row for administrators, and a line of the metrics', async () => {
    const admin = await gateway.registerAdmin();
    const { data } = (await asAdmin(gateway, admin)('/upstreams')).body;
    expect(data).toMatchObject(
      vllms.map(({ baseUrl }) => ({ base_url: baseUrl, reachable: true, answering: true })),
    );
    expect(await gaugesOf(gateway)).toEqual(
      vllms.map(({ baseUrl }) => `llm_gateway_upstream_up{upstream="${baseUrl}"} 1`),
    );
    expect(await readinessOf(gateway)).toBe('up');
    const models = (await asAdmin(gateway, admin)('/models')).body.data as { upstreams: string[] }[];
    const [first, second] = vllms.map(({ baseUrl }) => baseUrl);
    expect(models.map(({ upstreams }) => upstreams)).toEqual([[first], [second], [first], [second]]);
  });
});

describe('a model on two servers', () => {
  let vllms: [Simulator, Simulator];
  let gateway: TestGateway;

  beforeAll(async () => {
    vllms = await startBoth({ models: [SERVED] }, { models: [{ ...SERVED, maxModelLen: 16_384 }] });
    gateway = await over(vllms);
  });
  afterAll(async () => {
    await gateway.close();
    for (const vllm of vllms) await vllm.close();
  });

  it('is one, with the smaller window, and the one model there is', async () => {
    const user = await gateway.register();
    const { body } = await send(`${gateway.url}/v1/models`, { bearer: user.key });
    expect(body.data).toMatchObject(['opencode-llm', 'served'].map((id) => ({ id, context_length: 16_384 })));
  });

  it('is asked where its user was before, and elsewhere when many come at once; each has its exact row', async () => {
    const [one, other] = await usersOf(gateway, vllms);
    for (const [user, own] of [
      [one, 0],
      [other, 1],
    ] as const) {
      for (const vllm of vllms) vllm.journal.clear();
      for (let turn = 0; turn < 6; turn += 1) expect(await statusOf(gateway, user)).toBe(200);
      expect(vllms.map((vllm) => generations(vllm).length)).toEqual(own === 0 ? [6, 0] : [0, 6]);
    }
    for (const vllm of vllms) vllm.journal.clear();
    const before = (await settledRows(gateway, one.id)).length;
    const asked = Array.from({ length: 40 }, (_, index) =>
      statusOf(gateway, one, chat({ tokens: 3 + index, tbtMs: 5, ttftMs: 1_500 }, 'served', index % 2 === 0)),
    );
    expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
    for (const vllm of vllms) expect(generations(vllm).length).toBeGreaterThan(8);
    const rows = (await settledRows(gateway, one.id)).slice(before);
    const truth = vllms.flatMap(generations);
    const told = (list: readonly (string | number)[][]) => list.map((each) => each.join()).toSorted();
    expect(rows).toHaveLength(40);
    expect(told(rows.map((row) => [row.request_id, row.prompt_tokens, row.completion_tokens]))).toEqual(
      told(truth.map((entry) => [entry.requestId, entry.promptTokens, entry.completionTokens])),
    );
    expect(rows.map(({ outcome, source }) => `${outcome} ${source}`)).toEqual(
      Array<string>(40).fill('completed exact'),
    );
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});

describe('a model on two servers whose templates differ', () => {
  it('keeps a limit that is near, whichever counts and whichever answers', async () => {
    const slow = { models: [SERVED], timeToFirstTokenMs: 300 };
    const vllms = await startBoth(slow, { ...slow, templateTokens: 1_000 });
    const gateway = await over(vllms);
    const [user] = await usersOf(gateway, vllms);
    const used = async () =>
      (await settledRows(gateway, user.id)).reduce(
        (sum, row) => sum + row.prompt_tokens + row.completion_tokens,
        0,
      );
    for (const tokens of [2_500, 3_500]) {
      const limit = (await used()) + tokens;
      await gateway.dataSource.query('UPDATE limits SET amount = $2 WHERE subject_id = $1', [user.id, limit]);
      const body = { ...chat({ tokens: 16 }), max_tokens: 16 };
      const statuses = await Promise.all(Array.from({ length: 14 }, () => statusOf(gateway, user, body)));
      expect(statuses).toContain(200);
      // Its own server has 4 at once; the others went to the one with the long template.
      expect(await used()).toBeLessThanOrEqual(limit);
    }
    expect(await counterDifferences(gateway)).toEqual([]);
    await gateway.close();
    for (const vllm of vllms) await vllm.close();
  });
});

describe('a server that embeds behind one that writes', () => {
  let vllms: [Simulator, Simulator];
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    vllms = await startBoth({}, { models: [{ id: 'embedder', maxModelLen: 32_768 }], task: 'embed' });
    gateway = await over(vllms);
    user = await gateway.register();
  });
  afterAll(async () => {
    await gateway.close();
    for (const vllm of vllms) await vllm.close();
  });

  it('gets what is to be embedded, and nothing else; the ledger has both', async () => {
    const embed = (model: string) => gateway.post('/v1/embeddings', user.key, { model, input: 'a text' });
    expect((await embed('embedder')).status).toBe(200);
    expect(await statusOf(gateway, user)).toBe(200);
    expect((await embed('opencode-llm')).status).toBe(404);
    expect(await statusOf(gateway, user, chat({}, 'embedder'))).toBe(404);
    const rows = await settledRows(gateway, user.id);
    expect(rows.map(({ endpoint, model, outcome }) => [endpoint, model, outcome])).toEqual([
      ['embeddings', 'embedder', 'completed'],
      ['chat_completions', 'opencode-llm', 'completed'],
      ['embeddings', 'opencode-llm', 'rejected'],
      ['chat_completions', 'embedder', 'rejected'],
    ]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('is none for opencode', async () => {
    const { body } = await send(`${gateway.url}/connect/opencode.json`, { bearer: user.key });
    const [provider] = Object.values(body.provider as Record<string, { models: object }>);
    expect(Object.keys(provider?.models ?? {})).toEqual(['opencode-llm', 'simulated-llm']);
    const models = await send(`${gateway.url}/v1/models`, { bearer: user.key });
    expect((models.body.data as { id: string }[]).map(({ id }) => id)).toContain('embedder');
  });
});
