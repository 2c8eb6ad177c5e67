import { startGateway, TestGateway, TestUser } from './support/gateway';
import { LedgerRow, settledRows } from './support/ledger';
import { leaveTokens, tokensUsed } from './support/room-left';

const ROUTES = {
  embeddings: { input: ['A gateway counts tokens.', 'A baker bakes bread.'] },
  rerank: { query: 'Who counts tokens?', documents: ['A baker bakes bread.', 'A gateway counts tokens.'] },
  score: { text_1: 'Who counts tokens?', text_2: ['A baker bakes bread.', 'A gateway counts tokens.'] },
};
type Route = keyof typeof ROUTES;
const ALL = Object.entries(ROUTES) as [Route, object][];

interface Answered {
  readonly model: string;
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number };
  readonly data: readonly { readonly embedding: number[] | string; readonly score: number }[];
  readonly results: readonly { readonly index: number; readonly document: { readonly text: string } }[];
}

describe('embeddings, rerank and score', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: { models: [{ id: 'served', maxModelLen: 2_048 }], task: 'any' },
    });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    Object.assign(gateway.simulator.settings, { task: 'any', templateTokens: 0, tokenize: 'served' });
    user = await gateway.register();
  });

  const post = (route: Route, body: object, headers: Record<string, string> = {}) =>
    gateway.post(`/v1/${route}`, user.key, { model: 'opencode-llm', ...body }, headers);
  const answered = async (route: Route, body: object): Promise<Answered> => {
    const answer = await post(route, body);
    const text = await answer.text();
    expect([answer.status, text]).toEqual([200, expect.any(String)]);
    return JSON.parse(text) as Answered;
  };
  const refused = async (route: Route, body: object) => {
    const answer = await post(route, body);
    const { error } = (await answer.json()) as { error: { code: string; param: string; message: string } };
    return { status: answer.status, ...error };
  };
  const entries = (path: string) => gateway.simulator.journal.entries.filter((entry) => entry.path === path);
  const tokenized = () => entries('/tokenize').length;
  const onlyRow = async (): Promise<LedgerRow> => {
    const rows = await settledRows(gateway, user.id);
    expect(rows).toHaveLength(1);
    return rows[0] as LedgerRow;
  };

  it.each(ALL)('%s is answered, and what vLLM read is what the ledger has', async (route, body) => {
    const { model, usage } = await answered(route, body);
    const [entry] = entries(`/v1/${route}`);
    expect(model).toBe('opencode-llm');
    expect(usage.total_tokens).toBe(entry?.promptTokens);
    expect(await onlyRow()).toMatchObject({
      endpoint: route,
      model: 'opencode-llm',
      stream: false,
      outcome: 'completed',
      source: 'exact',
      prompt_tokens: entry?.promptTokens,
      completion_tokens: 0,
    });
    expect(await tokensUsed(gateway, user.id)).toBe(entry?.promptTokens);
  });

  it('sends what it knows, under the served name, and nothing else', async () => {
    await answered('embeddings', {
      input: 'x',
      dimensions: 8,
      encoding_format: 'base64',
      user: 'me',
      priority: 3,
      request_id: 'mine',
      stream: true,
      cache_salt: 'mine',
      mm_processor_kwargs: {},
    });
    expect(entries('/v1/embeddings')[0]?.body).toEqual({
      model: 'served',
      input: 'x',
      dimensions: 8,
      encoding_format: 'base64',
      cache_salt: expect.not.stringMatching(/^mine$/),
    });
  });

  it('embeds texts, token ids, and lists of either, in both formats', async () => {
    for (const [input, count] of [
      ['one text', 1],
      [['one', 'two', ''], 3],
      [[1, 2, 3], 1],
      [[[1, 2, 3], [4]], 2],
    ] as const) {
      const { data } = await answered('embeddings', { input });
      expect([input, data.length]).toEqual([input, count]);
    }
    const { data } = await answered('embeddings', { input: 'one text', encoding_format: 'base64' });
    const floats = await answered('embeddings', { input: 'one text' });
    const bytes = Buffer.from(data[0]?.embedding as string, 'base64');
    const read = [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
    expect(read).toEqual(floats.data[0]?.embedding);
  });

  it('orders documents, and gives as many as were asked for', async () => {
    const { results } = await answered('rerank', { ...ROUTES.rerank, top_n: 1 });
    expect(results).toEqual([
      expect.objectContaining({
        index: 1,
        document: { text: 'A gateway counts tokens.', multi_modal: null },
      }),
    ]);
  });

  it.each([
    ['text_1', 'text_2'],
    ['queries', 'documents'],
    ['queries', 'items'],
    ['data_1', 'data_2'],
  ])('takes pairs as %s and %s', async (one, other) => {
    expect((await answered('score', { [one]: 'a', [other]: ['b', 'c'] })).data).toHaveLength(2);
    expect((await answered('score', { [one]: ['a', 'd'], [other]: ['b', 'c'] })).data).toHaveLength(2);
  });

  it.each<[Route, string, RegExp, object]>([
    ['embeddings', 'input', /missing/, {}],
    ['embeddings', 'input', /must be a text/, { input: null }],
    ['embeddings', 'input', /must be a text/, { input: [] }],
    ['embeddings', 'input', /must be a text/, { input: ['a', 1] }],
    ['embeddings', 'input', /chats and images/, { input: [{ role: 'user', content: 'a' }] }],
    ['embeddings', 'messages', /send texts/, { input: 'a', messages: [{ role: 'user', content: 'a' }] }],
    ['embeddings', 'input', /surrogate/, { input: 'half \ud800' }],
    ['embeddings', 'input', /2048 texts/, { input: Array(2_049).fill('a') }],
    ['embeddings', 'encoding_format', /float or base64/, { input: 'a', encoding_format: 'bytes' }],
    ['embeddings', 'dimensions', /whole number/, { input: 'a', dimensions: 0 }],
    ['embeddings', 'padding', /not accepted/, { input: 'a', padding: 'max_length' }],
    ['rerank', 'query', /missing/, { documents: ['a'] }],
    ['rerank', 'documents', /missing/, { query: 'a' }],
    ['rerank', 'query', /must be a text/, { query: ['a'], documents: ['a'] }],
    ['rerank', 'documents', /must not be empty/, { query: 'a', documents: [] }],
    ['rerank', 'documents', /list of texts/, { query: 'a', documents: [{ text: 'b' }] }],
    ['rerank', 'top_n', /whole number/, { query: 'a', documents: ['b'], top_n: -1 }],
    [
      'rerank',
      'chat_template_kwargs',
      /unknown key/,
      { query: 'a', documents: ['b'], chat_template_kwargs: { tools: 1 } },
    ],
    ['score', 'text_1', /one way/, { text_1: 'a' }],
    ['score', 'text_1', /one way/, { text_1: 'a', text_2: 'b', data_1: 'c', data_2: 'd' }],
    ['score', 'text_1', /as many as/, { text_1: ['a', 'b'], text_2: ['c'] }],
    ['score', 'text_2', /must not be empty/, { text_1: 'a', text_2: [] }],
  ])('refuses %s for their %s, which %s', async (route, param, words, body) => {
    expect(await refused(route, body)).toMatchObject({
      status: 400,
      code: 'invalid_value',
      param,
      message: expect.stringMatching(words),
    });
    expect(entries(`/v1/${route}`)).toEqual([]);
    expect(await settledRows(gateway, user.id)).toEqual([]);
  });

  it('does not let one query be read a thousand times over', async () => {
    const failure = await refused('rerank', {
      query: 'word '.repeat(20_000),
      documents: Array(1_000).fill('a'),
    });
    expect(failure).toMatchObject({ status: 400, param: 'documents' });
    expect(failure.message).toMatch(/fewer documents/);
    const asWell = {
      instruction: 'i'.repeat(60_000),
      chat_template_kwargs: { instruction: 'j'.repeat(60_000) },
    };
    for (const instruction of [{ instruction: asWell.instruction }, asWell])
      expect(
        await refused('rerank', { query: 'q', documents: Array(2_048).fill('a'), ...instruction }),
      ).toMatchObject({ status: 400, param: 'documents' });
  });

  it('says what vLLM says of a text that is too long, and bills nothing for it', async () => {
    const failure = await refused('embeddings', { input: 'word '.repeat(2_500) });
    expect(failure).toMatchObject({ status: 400 });
    expect(failure.message).toMatch(/maximum context length is 2048 tokens/);
    expect(await onlyRow()).toMatchObject({ outcome: 'rejected', prompt_tokens: 0 });
  });

  it('is a 404 in words where the model does something else', async () => {
    gateway.simulator.settings.task = 'generate';
    for (const [route, body] of ALL)
      expect(await refused(route, body)).toMatchObject({ status: 404, code: 'unsupported_endpoint' });
    gateway.simulator.settings.task = 'classify';
    expect(await refused('embeddings', ROUTES.embeddings)).toMatchObject({ code: 'unsupported_endpoint' });
    await answered('rerank', ROUTES.rerank);
  });

  describe('near a limit', () => {
    it.each(ALL)('%s is counted by vLLM, and fits', async (route, body) => {
      const { usage } = await answered(route, body);
      const bytes = JSON.stringify(body).length;
      const used = usage.total_tokens;
      expect(used).toBeLessThan(bytes / 2);
      // Room for what it takes, and for what a template could add, but not for its bytes.
      await leaveTokens(gateway, user.id, used + used + (route === 'embeddings' ? 32 : 512) + 8);
      await answered(route, body);
      expect(tokenized()).toBeGreaterThan(0);
    });

    it.each(ALL)('%s above it is refused, and costs nothing', async (route, body) => {
      await answered(route, body);
      const used = await tokensUsed(gateway, user.id);
      await leaveTokens(gateway, user.id, used + 3);
      const asked = entries(`/v1/${route}`).length;
      const failure = await refused(route, body);
      expect(failure).toMatchObject({ status: 402, code: 'insufficient_quota' });
      expect(failure.message).not.toMatch(/answer/);
      expect(entries(`/v1/${route}`)).toHaveLength(asked);
      expect(await tokensUsed(gateway, user.id)).toBe(used);
    });

    it('holds while many race, with more texts than are counted one by one', async () => {
      const input = Array(40).fill('a word and another one');
      const { usage } = await answered('embeddings', { input });
      const limit = usage.total_tokens * 12;
      await leaveTokens(gateway, user.id, limit);
      const statuses = await Promise.all(
        Array.from({ length: 30 }, () => post('embeddings', { input }).then(({ status }) => status)),
      );
      expect(await tokensUsed(gateway, user.id)).toBeLessThanOrEqual(limit);
      expect(statuses).toContain(200);
      expect(statuses.filter((status) => ![200, 402, 429].includes(status))).toEqual([]);
      expect(statuses.filter((status) => status !== 200).length).toBeGreaterThanOrEqual(18);
    }, 60_000);

    it('holds for a reranker whose template says a lot, once an answer has shown it', async () => {
      gateway.simulator.settings.templateTokens = 700;
      gateway.simulator.settings.task = 'classify';
      const { usage } = await answered('rerank', ROUTES.rerank);
      expect(usage.total_tokens).toBeGreaterThan(1_024);
      const used = await tokensUsed(gateway, user.id);
      await leaveTokens(gateway, user.id, used + usage.total_tokens - 1);
      expect(await refused('rerank', ROUTES.rerank)).toMatchObject({ status: 402 });
      await leaveTokens(gateway, user.id, used + usage.total_tokens + 200);
      await answered('rerank', ROUTES.rerank);
    });
  });
});
