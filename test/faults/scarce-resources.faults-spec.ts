import { Client } from 'pg';
import { Simulator, startSimulator } from '../../src/simulator/simulator';
import {
  cleanUp,
  emptyFolder,
  ensureBuilt,
  freePort,
  GatewayProcess,
  printedAdmin,
  startProcess,
} from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { call } from '../support/stream-client';

const MIB = 1_024 * 1_024;
/** Less than a megabyte, and twenty once it is parsed. */
const PARTS = Array.from({ length: 140_000 }, () => []);
const EVENTS = 50_000;
/** Less than they are themselves, 27 MiB. */
const MOST_ADDED_BYTES = 24 * MIB;

/** As in a small container, or with the defaults of an old system. */
describe.each<[string, { openFiles?: number; settings: Record<string, string> }]>([
  ['256 files', { openFiles: 256, settings: {} }],
  [
    'a heap of 256 MiB',
    { settings: { NODE_OPTIONS: '--max-old-space-size=256', UPSTREAM_IDLE_TIMEOUT_MS: '1000' } },
  ],
])('a gateway with %s', (_, { openFiles, settings }) => {
  let simulator: Simulator;
  let database: TestDatabase;
  let client: Client;
  let gateway: GatewayProcess;
  let key = '';
  let metricsUrl = '';

  beforeAll(async () => {
    await ensureBuilt();
    const models = [{ id: 'sim', maxModelLen: 2 * EVENTS }];
    [simulator, database] = [await startSimulator({ models }), await createDatabase()];
    const metricsPort = String(await freePort());
    metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    client = new Client({ connectionString: database.url });
    await client.connect();
    const own = { DATABASE_URL: database.url, VLLM_BASE_URL: simulator.baseUrl, METRICS_PORT: metricsPort };
    gateway = await startProcess(emptyFolder(), { ...own, ...settings }, { openFiles });
    await gateway.printed('"model": "llm-user-managed/');
    key = printedAdmin(gateway).apiKey;
  });
  afterAll(async () => {
    await client.end();
    await cleanUp();
    await simulator.close();
    await database.drop();
  });

  const ask = (fields: object) =>
    call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: key,
      body: { model: 'opencode-llm', max_tokens: 50, ...fields },
    });
  const says = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

  /** What each was told: served, refused, or closed; anything else is a fault. */
  const kinds = (answers: readonly Awaited<ReturnType<typeof ask>>[]) =>
    answers.map(({ status, text, hungUp }) => {
      if (status === 0) return 'closed';
      if (status === 200 && !hungUp && !text.includes('"error"')) return 'served';
      return `${status} ${/"code":"(\w+)"/.exec(text)?.[1]}`;
    });

  const memory = async (): Promise<number> => {
    const metrics = await (await fetch(metricsUrl)).text();
    return Number(/^llm_gateway_process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]);
  };
  /** A stream of so many events. @returns the most memory the gateway had meanwhile, and how long it took */
  const long = async (tokens: number) => {
    const startedAt = performance.now();
    const over = new AbortController();
    const asked = ask({
      messages: says({ tokens }),
      stream: true,
      max_tokens: tokens,
      logprobs: true,
      top_logprobs: 4,
    });
    const answer = asked.finally(() => over.abort());
    let most = 0;
    while (!over.signal.aborted) {
      most = Math.max(most, await memory());
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { most, ms: performance.now() - startedAt, ...(await answer) };
  };

  if (openFiles === undefined) {
    it('streams 50,000 events for longer than any silence may last, and needs no memory for them', async () => {
      await long(EVENTS / 10);
      const before = await memory();
      const { most, ms, requestId, text } = await long(EVENTS);
      expect([text.match(/^data: /gm)?.length, text.endsWith('data: [DONE]\n\n')]).toEqual([
        EVENTS + 2,
        true,
      ]);
      expect(ms).toBeGreaterThan(1_000);
      expect(most - before).toBeLessThan(MOST_ADDED_BYTES);
      const { rows } = await client.query(
        'SELECT outcome, source, completion_tokens::int FROM usage_records WHERE request_id = $1',
        [requestId],
      );
      expect(rows).toEqual([{ outcome: 'completed', source: 'exact', completion_tokens: EVENTS }]);
    });
  }

  it('serves what it can, refuses the rest, and is as it was when the load has gone', async () => {
    for (let round = 0; round < 2; round += 1) {
      const answers = await Promise.all(
        openFiles === undefined
          ? Array.from({ length: 60 }, () =>
              ask({ messages: says({ tokens: 5 }), metadata: round === 0 ? 'x'.repeat(8 * MIB) : PARTS }),
            )
          : Array.from({ length: 400 }, () =>
              ask({ messages: says({ tokens: 10, tbtMs: 50 }), stream: true }),
            ),
      );
      const told = new Set(kinds(answers));
      expect(told).toContain('served');
      expect(told.size).toBeGreaterThan(1);
      expect(
        [...told].filter((kind) => !/^(served|closed|503 (overloaded|database_unavailable))$/.test(kind)),
      ).toEqual([]);
      let after = kinds([await ask({ messages: says({ tokens: 3 }) })]);
      // It is not over the load before it has had room for a second.
      for (let n = 0; n < 100 && after[0] === '503 overloaded'; n += 1) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        after = kinds([await ask({ messages: says({ tokens: 3 }) })]);
      }
      expect(after).toEqual(['served']);
    }
    // Still the same process.
    expect(gateway.output().match(/listening on/g)).toHaveLength(1);
    await simulator.journal.waitForIdle(30_000);
    const open = async () =>
      (await client.query<{ open: number }>('SELECT count(*)::int AS open FROM open_requests')).rows[0]?.open;
    for (const until = Date.now() + 30_000; (await open()) !== 0 && Date.now() < until;);
    const { rows } = await client.query<{ request_id: string; completion: number }>(
      'SELECT request_id, completion_tokens::int AS completion FROM usage_records WHERE completion_tokens > 0 ORDER BY 1',
    );
    const generated = simulator.journal.entries
      .filter(({ path }) => path.endsWith('/completions'))
      .map(({ requestId, completionTokens }) => ({ request_id: requestId, completion: completionTokens }))
      .toSorted((one, other) => one.request_id.localeCompare(other.request_id));
    expect(rows).toEqual(generated);
    const held = await client.query('SELECT 1 FROM limit_windows WHERE reserved <> 0');
    expect([await open(), held.rowCount]).toEqual([0, 0]);
  });
});
