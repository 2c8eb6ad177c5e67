import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { ReadinessReport } from '../../src/health/health.dto';
import type { JournalEntry } from '../../src/simulator/journal';
import { ProcessLease } from '../../src/usage/leases/process-lease.service';
import { DatabaseGate, openDatabaseGate } from '../support/database-gate';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from '../support/ledger';
import { LostTime } from '../support/lost-time';
import { call } from '../support/stream-client';
import { CHAT } from '../support/wire';

/** Longer than the gateway waits for an answer of PostgreSQL. */
const LEASE_MS = 6_000;
const STREAMS = 100;
const MOST_LOOKS = 600;
const settings = {
  PROCESS_LEASE_MS: String(LEASE_MS),
  DEFAULT_TOKEN_LIMIT: '1000000000',
  SPOOL_MAX_BYTES: '65536',
};
const body = (tokens: number, more: object = {}, stream = true) => ({
  model: 'opencode-llm',
  stream,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify({ tokens, ...more })}` }],
});

/** A gateway that reaches its database through a gate, beside one that has no part in it and can look. */
describe('PostgreSQL goes away', () => {
  let watcher: TestGateway;
  let gateway: TestGateway;
  let gate: DatabaseGate;
  let user: TestUser;
  let databaseId: string;

  beforeEach(async () => {
    watcher = await startGateway({ settings });
    gate = await openDatabaseGate(watcher.env.DATABASE_URL as string);
    gateway = await startGateway({ settings: { ...settings, DATABASE_URL: gate.url }, replicaOf: watcher });
    user = await gateway.register();
    const [setting] = await watcher.dataSource.query<[{ value: string }]>(
      `SELECT value FROM settings WHERE name = 'database_id'`,
    );
    databaseId = setting.value;
  });
  afterEach(async () => {
    gate.open();
    await gateway.close();
    await gate.close();
    await watcher.close();
  });

  const ask = (what: object) => call({ url: gateway.url, path: CHAT, credential: user.key, body: what });
  const spoolFolder = () => join(gateway.env.DATA_DIR, 'spool', databaseId);
  const spooled = () => readdirSync(spoolFolder());
  const opened = async (count: number) => {
    const rows = () => watcher.dataSource.query<unknown[]>('SELECT 1 FROM open_requests');
    while ((await rows()).length !== count) await sleep(10);
  };
  const readiness = async () => {
    const answer = await fetch(`${gateway.url}/health/ready`);
    return { ...((await answer.json()) as ReadinessReport), code: answer.status };
  };
  /** Admitted, and known here to be: the row is there before PostgreSQL's answer is. */
  const atVllm = async () => {
    const isRunning = (entry: JournalEntry) => entry.path === CHAT && entry.outcome === 'running';
    while (!gateway.simulator.journal.entries.some(isRunning)) await sleep(10);
  };

  it('while streams run: they end as if nothing were, lie on disk, and are in the ledger once it is back', async () => {
    const { journal, settings: vllm } = gateway.simulator;
    vllm.hung = true;
    const answers: ReturnType<typeof ask>[] = [];
    // Not all at once: whoever waits to be admitted for 3 s is refused.
    while (answers.length < STREAMS) {
      for (let n = 0; n < 20; n += 1) answers.push(ask(body(30 + answers.length, { tbtMs: 20 })));
      await until(() => journal.running === answers.length);
    }
    const shutAt = performance.now();
    gate.shut();
    vllm.hung = false;
    const done = await Promise.all(answers);
    expect(done.filter((answer) => !answer.text.endsWith('data: [DONE]\n\n'))).toEqual([]);
    expect(spooled()).toHaveLength(1);
    const file = join(spoolFolder(), spooled()[0] as string);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(STREAMS);
    // For longer than all leases.
    await sleep(Math.max(0, 1.5 * LEASE_MS - (performance.now() - shutAt)));

    gate.open();
    const exact = () => watcher.dataSource.query(`SELECT 1 FROM usage_records WHERE source = 'exact'`);
    await until(async () => (await exact()).length === STREAMS);
    const rows = await settledRows(watcher, user.id);
    const generated = rows.map(({ request_id }) => journal.find(request_id));
    expect(rows.map((row) => [row.outcome, row.prompt_tokens, row.completion_tokens])).toEqual(
      generated.map((entry) => ['completed', entry?.promptTokens, entry?.completionTokens]),
    );
    expect(await counterDifferences(watcher)).toEqual([]);
    await until(() => spooled().length === 0);
  });

  it('while an answer that is no stream runs: it is delivered', async () => {
    const answer = ask(body(30, { tbtMs: 30 }, false));
    await atVllm();
    gate.shut();
    expect((await answer).status).toBe(200);
    gate.open();
    expect(await settledRows(watcher, user.id)).toMatchObject([{ completion_tokens: 30, source: 'exact' }]);
  });

  it('lets nobody through meanwhile, and says when to come again', async () => {
    gate.shut();
    const refused = await gateway.post(CHAT, user.key, body(5));
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await refused.json()).toMatchObject({ error: { code: 'database_unavailable' } });
    expect(gateway.simulator.journal.entries.filter((entry) => entry.method === 'POST')).toEqual([]);
    // Its look at vLLM has a second, which a machine that stands still takes away.
    await until(async () => (await readiness()).upstream === 'up');
    const report = { code: 503, status: 'unavailable', database: 'down', spool: 'up', upstream: 'up' };
    expect(await readiness()).toEqual(report);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    gate.open();
    await until(async () => (await readiness()).code === 200);
    await until(async () => (await gateway.post(CHAT, user.key, body(5))).status === 200);
  });

  it('refuses each after 3 s without an answer, also those that wait behind another', async () => {
    await ask(body(5));
    const lost = new LostTime();
    gate.swallowAnswers();
    const waited = async (delayMs: number) => {
      await sleep(delayMs);
      const askedAt = Date.now();
      const { status } = await gateway.post(CHAT, user.key, body(5));
      const answeredAt = Date.now();
      return { status, ms: answeredAt - askedAt - (await lost.between(askedAt, answeredAt)) };
    };
    // The second one's turn in the database comes only when the first one's is given up.
    for (const { status, ms } of await Promise.all([waited(0), waited(1_500)])) {
      expect(status).toBe(503);
      expect(ms).toBeLessThan(3_900);
    }
    await lost.stop();
    gate.open();
    await untilNothingOpen(watcher);
    expect(await counterDifferences(watcher)).toEqual([]);
  });

  it('releases what was admitted but whose answer was lost', async () => {
    await ask(body(5));
    gate.swallowAnswers();
    const refused = await gateway.post(CHAT, user.key, body(5));
    expect(refused.status).toBe(503);
    await opened(1);
    gate.open();
    await untilNothingOpen(watcher);
    expect(await settledRows(watcher, user.id)).toMatchObject([
      { outcome: 'completed' },
      { outcome: 'rejected', prompt_tokens: 0, completion_tokens: 0 },
    ]);
    expect(await counterDifferences(watcher)).toEqual([]);
  });

  it('settles once although the answer to the settlement was lost', async () => {
    const answer = ask(body(20, { tbtMs: 40 }));
    await atVllm();
    gate.swallowAnswers();
    expect((await answer).text).toContain('data: [DONE]');
    gate.open();
    expect(await settledRows(watcher, user.id)).toMatchObject([{ completion_tokens: 20, source: 'exact' }]);
    await until(() => spooled().length === 0);
    expect(await settledRows(watcher, user.id)).toHaveLength(1);
    expect(await counterDifferences(watcher)).toEqual([]);
  });

  it('keeps quiet about the dead until the living have had time to come back', async () => {
    const otherGate = await openDatabaseGate(watcher.env.DATABASE_URL as string);
    const its = { ...settings, DATABASE_URL: otherGate.url };
    const other = await startGateway({ settings: its, replicaOf: watcher });
    // Nobody else may take anybody for dead.
    await watcher.app.get(ProcessLease, { strict: false }).end();
    try {
      const answer = ask(body(70, { tbtMs: 200 }));
      await atVllm();
      for (const shut of [gate, otherGate]) shut.shut();
      await sleep(1.5 * LEASE_MS);
      otherGate.open();
      // All leases have run out, and the other one is the first to be back.
      await sleep(LEASE_MS / 2);
      await opened(1);
      gate.open();
      await answer;
      const exact = { completion_tokens: 70, source: 'exact' };
      expect(await settledRows(watcher, user.id)).toMatchObject([exact]);
    } finally {
      await other.close();
      await otherGate.close();
    }
  });

  it('has what a dead process left on disk entered by the next one, as often as it is found', async () => {
    await ask(body(10));
    const [before] = await settledRows(watcher, user.id);
    const requestId = '01912345-0000-7000-8000-000000000001';
    const line = {
      requestId,
      userId: user.id,
      apiKeyId: null,
      endpoint: 'chat.completions',
      model: 'opencode-llm',
      stream: true,
      outcome: 'completed',
      source: 'exact',
      status: 200,
      usage: { prompt: 7, cached: 0, completion: 5, reasoning: 0 },
      timeToFirstTokenMs: 3,
      durationMs: 9,
    };
    const dead = join(spoolFolder(), '01912345-0000-7000-8000-00000000dead.ndjson');
    mkdirSync(spoolFolder(), { recursive: true });
    for (let time = 0; time < 3; time += 1) {
      // The second line was never acknowledged: power was lost while it was written.
      writeFileSync(`${dead}.part`, `${JSON.stringify(line)}\n{"requestId":"0191`);
      copyFileSync(`${dead}.part`, dead);
      await until(() => !existsSync(dead));
    }
    const rows = await settledRows(watcher, user.id);
    expect(rows).toHaveLength(2);
    expect(rows).toContainEqual(before);
    expect(rows.find((row) => row.request_id === requestId)).toMatchObject({
      prompt_tokens: 7,
      completion_tokens: 5,
    });
    const total = await watcher.dataSource.query(
      `SELECT used::int FROM limit_windows WHERE subject_id = $1 AND metric = 'tokens' AND period = 'total'`,
      [user.id],
    );
    expect(total).toEqual([{ used: 12 + (before?.prompt_tokens ?? 0) + (before?.completion_tokens ?? 0) }]);
  });

  it('is not ready while its disk has failed, and is again by itself once that works', async () => {
    const answer = ask(body(10, { tbtMs: 40 }));
    await atVllm();
    gate.shut();
    rmSync(spoolFolder(), { recursive: true });
    writeFileSync(spoolFolder(), '');
    expect((await answer).text).toContain('data: [DONE]');
    gate.open();
    expect(await settledRows(watcher, user.id)).toHaveLength(1);
    await until(async () => (await readiness()).database === 'up');
    expect(await readiness()).toMatchObject({ code: 503, spool: 'down' });
    expect((await gateway.post(CHAT, user.key, body(5))).status).toBe(503);
    rmSync(spoolFolder());
    await until(async () => (await readiness()).code === 200);
    expect((await gateway.post(CHAT, user.key, body(5))).status).toBe(200);
  });

  it('admits nothing more when the disk space for settlements is used up, and goes on when there is room', async () => {
    const blocker = new Client({ connectionString: watcher.env.DATABASE_URL });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE usage_daily IN EXCLUSIVE MODE');
    const statuses: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(Array.from({ length: 60 }, () => ask(body(1, {}, false))));
      statuses.push(...answers.map((answer) => answer.status));
    }
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    await blocker.query('ROLLBACK');
    await blocker.end();
    const rows = await settledRows(watcher, user.id);
    expect(rows.filter((row) => row.outcome === 'completed')).toHaveLength(
      statuses.filter((status) => status === 200).length,
    );
    await until(async () => (await gateway.post(CHAT, user.key, body(1, {}, false))).status === 200);
    // PostgreSQL may come only now to admissions that were given up long ago: they are released again.
    await until(async () => (await counterDifferences(watcher)).length === 0);
    await untilNothingOpen(watcher);
  });
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  // Looks, and not seconds, of which a machine that stands still has fewer.
  for (let looks = 1; !(await holds()); looks += 1) {
    if (looks > MOST_LOOKS) throw new Error(`still not so after ${MOST_LOOKS} looks`);
    await sleep(50);
  }
}
