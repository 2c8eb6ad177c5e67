import { startGateway, TestGateway, TestUser } from './support/gateway';
import { LedgerRow, settledRows } from './support/ledger';

type Route = 'embeddings' | 'rerank' | 'score';

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
    gateway.simulator.settings.task = 'any';
    user = await gateway.register();
  });

  const post = (route: Route, body: object) =>
    gateway.post(`/v1/${route}`, user.key, { model: 'opencode-llm', ...body });
  const refused = async (route: Route, body: object) => {
    const answer = await post(route, body);
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    return { status: answer.status, ...error };
  };
  const entries = (path: string) => gateway.simulator.journal.entries.filter((entry) => entry.path === path);
  const onlyRow = async (): Promise<LedgerRow> => {
    const rows = await settledRows(gateway, user.id);
    expect(rows).toHaveLength(1);
    return rows[0] as LedgerRow;
  };

  describe('when it does not end well', () => {
    const slow = (script: object) => ({ input: `SIM:${JSON.stringify(script)} a few words` });

    it('is billed whole when its client leaves', async () => {
      const client = new AbortController();
      const asked = fetch(`${gateway.url}/v1/embeddings`, {
        method: 'POST',
        signal: client.signal,
        headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'opencode-llm', ...slow({ ttftMs: 300 }) }),
      });
      while (entries('/v1/embeddings').length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      client.abort();
      await expect(asked).rejects.toThrow();
      const row = await onlyRow();
      expect(row).toMatchObject({ outcome: 'client_closed', source: 'exact' });
      expect(row.prompt_tokens).toBe(entries('/v1/embeddings')[0]?.promptTokens);
    });

    it('is counted when vLLM does not say what it read', async () => {
      gateway.simulator.settings.task = 'embed';
      const answer = await post('embeddings', slow({ usage: 'omit' }));
      expect(answer.status).toBe(200);
      const row = await onlyRow();
      const read = entries('/v1/embeddings')[0]?.promptTokens ?? 0;
      expect(row).toMatchObject({ outcome: 'completed', source: 'estimated', completion_tokens: 0 });
      expect(row.prompt_tokens).toBeGreaterThanOrEqual(read);
      expect(row.prompt_tokens).toBeLessThan(read + 32);
    });

    it.each(['embed', 'classify'] as const)(
      'pairs are billed for no more than was read: %s',
      async (task) => {
        gateway.simulator.settings.task = task;
        const documents = Array(15).fill('a short document');
        const query = `SIM:${JSON.stringify({ usage: 'omit' })} a few words`;
        expect((await post('rerank', { query, documents })).status).toBe(200);
        const row = await onlyRow();
        const read = entries('/v1/rerank')[0]?.promptTokens ?? 0;
        expect(row).toMatchObject({ outcome: 'completed', source: 'estimated' });
        expect(row.prompt_tokens).toBeLessThanOrEqual(read);
        expect(row.prompt_tokens).toBeGreaterThan(read / 8);
      },
    );

    it('costs nothing when vLLM fails', async () => {
      expect(await refused('embeddings', slow({ status: 500 }))).toMatchObject({ status: 502 });
      expect(await onlyRow()).toMatchObject({ prompt_tokens: 0, completion_tokens: 0 });
    });
  });
});
