import { Client } from 'pg';
import { Simulator, startSimulator } from '../../src/simulator/simulator';
import {
  cleanUp,
  emptyFolder,
  ensureBuilt,
  GatewayProcess,
  printedAdmin,
  startProcess,
} from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { call } from '../support/stream-client';

const MIB = 1_024 * 1_024;
/** Less than a megabyte, and twenty once it is parsed. */
const PARTS = Array.from({ length: 280_000 }, () => []);

/** As in a small container, or with the defaults of an old system. */
describe.each<[string, { openFiles?: number; settings: Record<string, string> }]>([
  ['256 files', { openFiles: 256, settings: {} }],
  ['a heap of 256 MiB', { settings: { NODE_OPTIONS: '--max-old-space-size=256' } }],
])('a gateway with %s', (_, { openFiles, settings }) => {
  let simulator: Simulator;
  let database: TestDatabase;
  let client: Client;
  let gateway: GatewayProcess;
  let key = '';

  beforeAll(async () => {
    await ensureBuilt();
    [simulator, database] = [await startSimulator(), await createDatabase()];
    client = new Client({ connectionString: database.url });
    await client.connect();
    const own = { DATABASE_URL: database.url, VLLM_BASE_URL: simulator.baseUrl, ...settings };
    gateway = await startProcess(emptyFolder(), own, { openFiles });
    await gateway.printed('"model": "llm-user-managed/');
    key = printedAdmin(gateway).apiKey;
  }, 120_000);
  afterAll(async () => {
    await client.end();
    await cleanUp();
    await simulator.close();
    await database.drop();
  }, 30_000);

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
      expect(kinds([await ask({ messages: says({ tokens: 3 }) })])).toEqual(['served']);
    }
    // Still the same process.
    expect(gateway.output().match(/listening on/g)).toHaveLength(1);
    await simulator.journal.waitForIdle(5_000);
    const open = async () =>
      (await client.query<{ open: number }>('SELECT count(*)::int AS open FROM open_requests')).rows[0]?.open;
    for (const until = Date.now() + 10_000; (await open()) !== 0 && Date.now() < until;);
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
  }, 60_000);
});
