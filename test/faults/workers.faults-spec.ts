import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Simulator, startSimulator } from '../../src/simulator/simulator';
import {
  cleanUp,
  databasePortOf,
  emptyFolder,
  freePort,
  GatewayProcess,
  listens,
  printedAdmin,
  startProcess,
  ensureBuilt,
} from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { call } from '../support/stream-client';
import { isRunning, workersOf } from '../support/worker-processes';

/** A worker that a busy machine keeps still for longer is taken for dead, and others may have its room. */
const LEASE_MS = 5_000;
const LIMIT = 3_000;
const STATE = `SELECT (SELECT count(*)::int FROM open_requests) AS open,
  (SELECT count(DISTINCT process_id)::int FROM open_requests) AS processes`;

let simulator: Simulator;

beforeAll(async () => {
  await ensureBuilt();
  simulator = await startSimulator();
});

afterAll(async () => {
  await cleanUp();
  await simulator.close();
});

/** Answers of which something has arrived: their connections were handed over, and they are known to PostgreSQL. */
const answering = () =>
  simulator.journal.entries.filter(
    ({ outcome, completionTokens }) => outcome === 'running' && completionTokens > 0,
  ).length;
const chat = (
  url: string,
  credential: string,
  script: { tokens: number; tbtMs?: number },
  { stream = true, max_tokens = 200 } = {},
) =>
  call({
    url,
    credential,
    path: '/v1/chat/completions',
    body: {
      model: 'opencode-llm',
      stream,
      max_tokens,
      messages: [{ role: 'user', content: `SIM:${JSON.stringify(script)}` }],
    },
  });

describe('two workers', () => {
  let database: TestDatabase;
  let client: Client;
  let gateway: GatewayProcess;
  let metricsUrl = '';
  let key = '';

  beforeAll(async () => {
    database = await createDatabase();
    client = new Client({ connectionString: database.url });
    await client.connect();
    const metricsPort = String(await freePort());
    metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    gateway = await startProcess(emptyFolder(), {
      WORKERS: '2',
      DATABASE_URL: database.url,
      VLLM_BASE_URL: simulator.baseUrl,
      PROCESS_LEASE_MS: String(LEASE_MS),
      METRICS_PORT: metricsPort,
    });
    await gateway.printed('"model": "llm-user-managed/');
    key = printedAdmin(gateway).apiKey;
  });
  afterAll(async () => {
    gateway.kill('SIGTERM');
    await gateway.ended;
    await client.end();
    await database.drop();
  });

  const state = async () => (await client.query<{ open: number; processes: number }>(STATE)).rows[0];
  /** Streams of which each worker has at least one: connections are dealt out in turns, but busy ones are passed over. */
  const streamsOfBoth = async (): Promise<ReturnType<typeof chat>[]> => {
    const streams: ReturnType<typeof chat>[] = [];
    // However busy the machine is, none ends before the last has begun.
    simulator.settings.hung = true;
    for (let both = false; !both; both = (await state())?.processes === 2) {
      streams.push(...Array.from({ length: 3 }, () => chat(gateway.url, key, { tokens: 80, tbtMs: 25 })));
      await until(streams.length);
    }
    simulator.settings.hung = false;
    return streams;
  };
  const until = async (open: number) => {
    while ((await state())?.open !== open) await sleep(20);
  };

  const openAt = async (pid: number) => {
    const { rowCount } = await client.query(
      `SELECT 1 FROM open_requests o JOIN processes p ON p.id = o.process_id WHERE p.name LIKE '%:' || $1::text`,
      [pid],
    );
    return rowCount ?? 0;
  };

  it('start with one banner, and serve at the same time', async () => {
    expect(gateway.output().match(/listening on/g)).toHaveLength(1);
    expect(gateway.output().match(/This is shown once/g)).toHaveLength(1);
    expect(workersOf(gateway)).toHaveLength(2);
    for (const { text } of await Promise.all(await streamsOfBoth())) expect(text).toContain('data: [DONE]');
    await until(0);
  });

  it('keep one hard limit together', async () => {
    const registered = await fetch(`${gateway.url}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'limited', password: 'a phrase of many words', token_limit: LIMIT }),
    });
    const user = (await registered.json()) as { id: string; api_key: string };
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => chat(gateway.url, user.api_key, { tokens: 150 }, { stream: false })),
    );
    // Whoever waited for room while this machine stood still was refused; the last one gets what is left.
    answers.push(
      await chat(gateway.url, user.api_key, { tokens: LIMIT }, { stream: false, max_tokens: LIMIT }),
    );
    const served = answers.filter(({ status }) => status === 200).length;
    expect(served).toBeGreaterThan(5);
    expect(served).toBeLessThan(60);
    await until(0);
    const { rows } = await client.query<{ used: number; reserved: number; rows: number }>(
      `SELECT used::int, reserved::int, (SELECT count(*)::int FROM usage_records WHERE user_id = $1) AS rows
       FROM limit_windows WHERE subject_id = $1 AND metric = 'tokens' AND period = 'month'`,
      [user.id],
    );
    expect(rows[0]).toMatchObject({ reserved: 0, rows: served });
    expect(rows[0]?.used).toBeLessThanOrEqual(LIMIT);
    expect(rows[0]?.used).toBeGreaterThan(LIMIT - 400);
  });

  it('are told of as one, with the event-loop lag of each', async () => {
    const countOf = (text: string) =>
      Number(/llm_gateway_tokens_total\{kind="completion".*\} (\d+)/.exec(text)?.[1]);
    const scrape = async () => (await fetch(metricsUrl)).text();
    const before = countOf(await scrape());
    // A new connection each: they are dealt out in turns.
    for (let n = 0; n < 4; n += 1) await chat(gateway.url, key, { tokens: 10 });
    const text = await scrape();
    expect(countOf(text) - before).toBe(40);
    expect(text).toMatch(/^llm_gateway_workers 2$/m);
    expect(text).toMatch(/^llm_gateway_running_streams 0$/m);
    expect(text).toMatch(/^llm_gateway_nodejs_eventloop_lag_p99_seconds\{worker="1"\} [\d.e-]+$/m);
    expect(text).toMatch(/^llm_gateway_nodejs_eventloop_lag_p99_seconds\{worker="2"\} [\d.e-]+$/m);
  });

  it('lose one to kill -9: the other goes on, it is replaced, and what it had open is settled', async () => {
    const scrape = async () => (await fetch(metricsUrl)).text();
    const settlements = (text: string) =>
      Number(/settlements_total\{outcome="completed"\} (\d+)/.exec(text)?.[1]);
    const before = settlements(await scrape());
    const since = (await client.query<{ now: Date }>('SELECT clock_timestamp() AS now')).rows[0]?.now;
    const streams = await streamsOfBoth();
    const [victim, survivor] = workersOf(gateway) as [number, number];
    const lost = await openAt(victim);
    process.kill(victim, 'SIGKILL');
    const answers = await Promise.all(streams);
    const finished = streams.length - lost;
    expect([lost > 0, finished > 0]).toEqual([true, true]);
    expect(answers.filter(({ text }) => text.includes('[DONE]'))).toHaveLength(finished);
    expect(answers.filter(({ hungUp }) => hungUp)).toHaveLength(lost);
    await gateway.printed(`(process ${victim}) ended: SIGKILL`);
    await gateway.printed('serves (process');
    const [, replacement] = /serves \(process (\d+)\)/.exec(gateway.output()) ?? [];
    expect([isRunning(survivor), isRunning(Number(replacement))]).toEqual([true, true]);

    await until(0);
    const { rows } = await client.query<{ source: string; count: number }>(
      // Not by the ids that the clients saw: a worker may die between an admission and its headers.
      `SELECT source, count(*)::int FROM usage_records WHERE admitted_at >= $1 GROUP BY 1 ORDER BY 1`,
      [since],
    );
    expect(rows).toEqual([
      { source: 'estimated', count: lost },
      { source: 'exact', count: finished },
    ]);
    const text = await scrape();
    expect(text).toMatch(/^llm_gateway_workers 2$/m);
    expect(text).toMatch(/^llm_gateway_worker_restarts_total 1$/m);
    // What the dead one had counted is not forgotten.
    expect(settlements(text)).toBe(before + finished);
  });

  it('lose one that hangs, and leave no client waiting whose connection it was dealt and has not taken', async () => {
    const serving = () => gateway.output().match(/ serves \(process/g)?.length ?? 0;
    const [before, victim] = [serving(), workersOf(gateway)[1] as number];
    process.kill(victim, 'SIGSTOP');
    // A new connection each. One of them is dealt to the one that is stopped, and no more.
    const answers = Array.from({ length: 6 }, () => chat(gateway.url, key, { tokens: 1 }));
    let ended = 0;
    for (const answer of answers) void answer.then(() => (ended += 1));
    while (ended < answers.length - 1) await sleep(20);
    const all = await Promise.race([Promise.all(answers), sleep(60_000, [], { ref: false })]);
    expect(all.map(({ status }) => status).sort()).toEqual([0, 200, 200, 200, 200, 200]);
    await gateway.printed(`(process ${victim}) ended: SIGKILL`);
    expect(gateway.output()).toContain(`a worker hangs (process ${victim}) and is killed`);
    while (serving() === before) await sleep(20);
  });

  it('finish their streams at SIGTERM, and the primary ends last with 0', async () => {
    const streams = await streamsOfBoth();
    gateway.kill('SIGTERM');
    for (const { text } of await Promise.all(streams)) expect(text).toMatch(/data: \[DONE\]\s*$/);
    expect(await gateway.ended).toBe(0);
    expect(gateway.output()).toMatch(/SIGTERM: finishing what runs[^]*stopped\n$/);
    expect(await state()).toEqual({ open: 0, processes: 0 });
  });
});

describe('workers over the embedded database', () => {
  it('outlive a primary that is killed only until their answers are settled', async () => {
    const folder = emptyFolder();
    const settings = { WORKERS: '2', VLLM_BASE_URL: simulator.baseUrl };
    const gateway = await startProcess(folder, settings);
    await gateway.printed('"model": "llm-user-managed/');
    const workers = workersOf(gateway);
    const streams = Array.from({ length: 4 }, () =>
      chat(gateway.url, printedAdmin(gateway).apiKey, { tokens: 60, tbtMs: 50 }),
    );
    while (answering() < streams.length) await sleep(20);
    gateway.kill('SIGKILL');
    // The port is free at once: the next start need not wait for them, and does not disturb them.
    const next = await startProcess(folder, { ...settings, PORT: new URL(gateway.url).port });
    for (const { text } of await Promise.all(streams)) expect(text).toMatch(/data: \[DONE\]\s*$/);
    // Resolves when nobody holds its output any more.
    expect(await gateway.ended).toBe('SIGKILL');
    while (workers.some(isRunning)) await sleep(20);
    await next.ready();
    next.kill('SIGKILL');
    await next.ended;
    while (workersOf(next).some(isRunning)) await sleep(20);
    expect(await listens(databasePortOf(next))).toBe(false);
  });
});

describe('workers that are ended', () => {
  it('end at once, all of them, at a second signal', async () => {
    const database = await createDatabase();
    const gateway = await startProcess(emptyFolder(), {
      WORKERS: '2',
      DATABASE_URL: database.url,
      VLLM_BASE_URL: simulator.baseUrl,
    });
    await gateway.printed('"model": "llm-user-managed/');
    const stream = chat(gateway.url, printedAdmin(gateway).apiKey, { tokens: 400, tbtMs: 100 });
    while (answering() === 0) await sleep(20);
    gateway.kill('SIGINT');
    await gateway.printed('finishing what runs');
    await sleep(1_200);
    gateway.kill('SIGINT');
    expect(await gateway.ended).toBe(130);
    expect((await stream).hungUp).toBe(true);
    while (workersOf(gateway).some(isRunning)) await sleep(20);
    await database.drop();
  });
});

describe('workers that die at their start', () => {
  it('take the primary along, with one sentence', async () => {
    const folder = emptyFolder();
    const killer = join(folder, 'killer.js');
    writeFileSync(killer, `if (require('node:cluster').isWorker) process.exit(7);`);
    const database = await createDatabase();
    const gateway = await startProcess(folder, {
      WORKERS: '2',
      DATABASE_URL: database.url,
      VLLM_BASE_URL: simulator.baseUrl,
      NODE_OPTIONS: `--require=${killer}`,
    });
    expect(await gateway.ended).toBe(1);
    expect(gateway.errors()).toMatch(
      /^Workers keep dying at their start, 5 in a row; the last one: exit code 7\.\n$/,
    );
    expect(gateway.output()).not.toContain('listening on');
    await database.drop();
  });
});
