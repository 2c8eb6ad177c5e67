import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { startSimulator } from '../../src/simulator/simulator';
import { cleanUp, emptyFolder, ensureBuilt, printedAdmin, startProcess } from '../support/gateway-process';
import { LostTime } from '../support/lost-time';
import { call, StreamedAnswer } from '../support/stream-client';
import { CHAT, says } from '../support/wire';

/** A fast shutdown, which throws everybody out, and one that is a crash, which has to be recovered from. */
const SIGNALS = ['SIGINT', 'SIGQUIT', 'SIGINT', 'SIGQUIT', 'SIGINT'] as const;
const CLIENTS = 8;
/** A commit of a database that recovers may take long; who does not notice that it is back takes 15 s and more. */
const BACK_MS = 10_000;

describe('PostgreSQL is restarted five times under load', () => {
  afterAll(() => cleanUp());

  it('and the gateway lives, serves again within seconds each time, and has each answer in its ledger', async () => {
    await ensureBuilt();
    const dataDir = join(emptyFolder(), 'postgres');
    const servers = [await startEmbeddedPostgres({ dataDir })];
    const url = servers[0]?.url as string;
    const simulator = await startSimulator();
    const gateway = await startProcess(emptyFolder(), {
      DATABASE_URL: url,
      MIGRATE_ON_START: 'true',
      VLLM_BASE_URL: simulator.baseUrl,
      LOG_LEVEL: 'fatal',
    });
    await gateway.printed('"model": "llm-user-managed/');
    let hasEnded = false;
    void gateway.ended.then(() => (hasEnded = true));
    const credential = printedAdmin(gateway).apiKey;
    const seen: StreamedAnswer[] = [];
    const over = new AbortController();
    const client = async (index: number) => {
      while (!over.signal.aborted) {
        const body = JSON.parse(says({ tokens: 8, tbtMs: 20 }, { stream: index % 2 === 0 })) as object;
        const answer = await call({ url: gateway.url, path: CHAT, credential, body });
        seen.push(answer);
        if (answer.status !== 200) await sleep(50);
      }
    };
    const lost = new LostTime();
    const clients = Array.from({ length: CLIENTS }, (_, index) => client(index));
    for (const signal of SIGNALS) {
      await sleep(700);
      // However slow the machine is.
      const from = seen.length;
      while (seen.slice(from).filter(({ status }) => status === 200).length < CLIENTS) await sleep(20);
      const running = readFileSync(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8');
      process.kill(Number(running.split('\n')[0]), signal);
      await sleep(300);
      servers.push(await startEmbeddedPostgres({ dataDir }));
      const backAt = Date.now();
      const since = seen.length;
      while (!seen.slice(since).some(({ status }) => status === 200)) {
        const now = Date.now();
        expect(now - backAt - (await lost.between(backAt, now))).toBeLessThan(BACK_MS);
        await sleep(20);
      }
    }
    await lost.stop();
    over.abort();
    await Promise.all(clients);
    expect([hasEnded, gateway.errors()]).toEqual([false, '']);

    const database = new Client({ connectionString: url });
    await database.connect();
    const ledger = async () =>
      (
        await database.query<{ request_id: string; source: string; tokens: number }>(
          `SELECT request_id, source, (prompt_tokens + completion_tokens)::int AS tokens FROM usage_records
           WHERE NOT EXISTS (SELECT 1 FROM open_requests)`,
        )
      ).rows;
    const answered = seen.filter(({ status }) => status === 200);
    const truth = answered
      .map(({ requestId }) => simulator.journal.find(requestId))
      .map(
        (entry) => `${entry?.requestId} exact ${(entry?.promptTokens ?? 0) + (entry?.completionTokens ?? 0)}`,
      );
    const missing = async () => {
      const rows = new Set((await ledger()).map((row) => `${row.request_id} ${row.source} ${row.tokens}`));
      return truth.filter((line) => !rows.has(line));
    };
    for (let n = 0; n < 300 && (await missing()).length > 0; n += 1) await sleep(100);
    expect(await missing()).toEqual([]);
    expect(answered.length).toBeGreaterThanOrEqual(CLIENTS * SIGNALS.length);
    // Whoever was let in, and whose settlement waited for PostgreSQL, was served all the same.
    expect(answered.filter(({ text, hungUp }) => hungUp || text === '')).toEqual([]);
    expect(new Set(seen.map(({ status }) => status))).toEqual(new Set([200, 503]));
    await database.end();
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    await simulator.close();
    for (const server of servers.toReversed()) await server.stop().catch(() => undefined);
  });
});
