import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
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
import { writeLongLedger } from '../support/long-ledger';
import { createDatabase, TestDatabase } from '../support/postgres';

const RECORDS = 200_000;
const GROUPS = 25_000;
const MIB = 1_024 * 1_024;
/** Code that is compiled meanwhile grows it, too, by 5 MiB at most; rows that stay do by 110 and more. */
const MOST_GROWN_BYTES = 24 * MIB;
const LOOK_MS = 50;

/** In a process of its own: what the suites beside it leave behind, and their client's objects, are not its memory. */
describe('downloads of a long ledger', () => {
  let simulator: Simulator;
  let database: TestDatabase;
  let client: Client;
  let gateway: GatewayProcess;
  let metricsUrl = '';
  let headers: Record<string, string> = {};

  beforeAll(async () => {
    await ensureBuilt();
    [simulator, database] = [await startSimulator(), await createDatabase()];
    const metricsPort = String(await freePort());
    metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    gateway = await startProcess(emptyFolder(), {
      DATABASE_URL: database.url,
      VLLM_BASE_URL: simulator.baseUrl,
      METRICS_PORT: metricsPort,
      // As on a machine with the memory of most.
      NODE_OPTIONS: '--max-semi-space-size=16',
    });
    await gateway.ready();
    const { username, password } = printedAdmin(gateway);
    const login = new URLSearchParams({ username, password });
    const answer = await fetch(`${gateway.url}/auth/token`, { method: 'POST', body: login });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    headers = { authorization: `Bearer ${token}` };
    client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ id: string }>('SELECT id FROM users WHERE username = $1', [
      username,
    ]);
    await writeLongLedger(client, rows[0]?.id ?? '', { records: RECORDS, groups: GROUPS });
  });
  afterAll(async () => {
    await client.end();
    await cleanUp();
    await simulator.close();
    await database.drop();
  });

  /** Bytes of objects that have survived two collections of young ones, dead or alive. */
  const oldBytes = async () => {
    const metrics = await (await fetch(metricsUrl)).text();
    return Number(/heap_space_size_used_bytes\{[^}]*space="old"[^}]*\} (\S+)/.exec(metrics)?.[1]);
  };

  const linesOf = (path: string) =>
    new Promise<number>((resolve, reject) => {
      let lines = 0;
      get(gateway.url + path, { headers, agent: false }, (response) => {
        response.on('data', (chunk: Buffer) => {
          for (const byte of chunk) if (byte === 10) lines += 1;
        });
        response.on('end', () => resolve(lines));
        response.on('error', reject);
      });
    });

  it.each([
    ['/admin/usage/records?format=csv', RECORDS],
    ['/users/usage/records?format=csv', RECORDS],
    ['/admin/usage?from=2024-05-01&to=2024-05-01&format=csv', GROUPS],
    ['/admin/usage?from=2024-05-01&to=2024-05-01&sort=-tokens&format=csv', GROUPS],
  ])('keep no row of %s for longer than it takes to send it', async (path, rows) => {
    const before = await oldBytes();
    let most = before;
    const lines = linesOf(path);
    const ended = lines.then(() => true);
    do most = Math.max(most, await oldBytes());
    while (!(await Promise.race([ended, delay(LOOK_MS, false)])));
    expect(await lines).toBe(rows + 1);
    expect(most - before).toBeLessThan(MOST_GROWN_BYTES);
  });
});
