import { setTimeout as sleep } from 'node:timers/promises';
import { HotStatements } from '../../src/database/hot-statements';
import { ProcessLease } from '../../src/usage/leases/process-lease.service';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, LedgerRow, settledRows, untilNothingOpen } from '../support/ledger';
import { call } from '../support/stream-client';

const LEASE_MS = 1_000;
const settings = {
  PROCESS_LEASE_MS: String(LEASE_MS),
  DEFAULT_TOKEN_LIMIT: '1000000000',
  // An engine that is held is not to be asked on its own account.
  UPSTREAM_PROBE_AFTER_MS: '0',
};
const slow = (tokens: number, tbtMs: number) => ({
  model: 'opencode-llm',
  stream: true,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify({ tokens, tbtMs })}` }],
});

describe('a process that is taken for dead', () => {
  let gateway: TestGateway;
  let survivor: TestGateway;
  let user: TestUser;

  beforeEach(async () => {
    gateway = await startGateway({ settings });
    survivor = await startGateway({ settings, replicaOf: gateway });
    user = await gateway.register();
  });
  afterEach(async () => {
    await survivor.close();
    await gateway.close();
  });

  const checkpointOf = async () => {
    for (;;) {
      const [row] = await gateway.dataSource.query<
        { prompt_tokens: number | null; completion_tokens: number }[]
      >('SELECT prompt_tokens::int, completion_tokens::int FROM open_requests');
      if (row && row.prompt_tokens !== null && row.completion_tokens > 0) return row;
      await sleep(20);
    }
  };
  const loseLease = () => gateway.app.get(ProcessLease, { strict: false }).end();
  /** A correction may come after its answer, which waits for it for half a second. */
  const correctedRows = async () => {
    const left = 'SELECT count(*)::int AS rows FROM usage_records WHERE provisional';
    await until(async () => (await survivor.dataSource.query<{ rows: number }[]>(left))[0]?.rows === 0);
    return settledRows(survivor, user.id);
  };

  it('has its running stream settled at the last checkpoint, and corrected once when it settles after all', async () => {
    const answer = call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: user.key,
      body: slow(120, 50),
    });
    await checkpointOf();
    // Whoever holds the row keeps the next checkpoint and the reaper from it.
    const atCheckpoint = await gateway.dataSource.transaction(async (manager) => {
      const [row] = await manager.query<{ prompt_tokens: number; completion_tokens: number }[]>(
        'SELECT prompt_tokens::int, completion_tokens::int FROM open_requests FOR UPDATE',
      );
      await loseLease();
      return row;
    });
    const [reaped] = await settledRows(survivor, user.id);
    expect(reaped).toMatchObject({
      source: 'estimated',
      outcome: 'upstream_error',
      prompt_tokens: atCheckpoint?.prompt_tokens,
      completion_tokens: atCheckpoint?.completion_tokens,
    });
    expect(await counterDifferences(survivor)).toEqual([]);

    expect((await answer).text).toContain('data: [DONE]');
    const rows = await correctedRows();
    const [generation] = generationsOf(gateway);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      source: 'exact',
      outcome: 'completed',
      prompt_tokens: generation?.promptTokens,
      completion_tokens: 120,
    });
    expect(await counterDifferences(survivor)).toEqual([]);
    expect(await dailyOf(survivor, user.id)).toEqual(totalOf(rows));
  });

  it.each([
    ['a stream', { stream: true }],
    ['a whole answer', {}],
  ])('pays at least for a part of the prompt of %s that vLLM had not told of', async (_, more) => {
    const { settings: vllm } = gateway.simulator;
    vllm.hung = true;
    const messages = [
      {
        role: 'system',
        content: 'Answer in one short sentence, and say where you know it from. '.repeat(20),
      },
      { role: 'user', content: 'SIM:{"tokens":5}' },
    ];
    const body = { model: 'opencode-llm', messages, ...more };
    const answer = call({ url: gateway.url, path: '/v1/chat/completions', credential: user.key, body });
    const estimate = await until(async () => {
      const [row] = await gateway.dataSource.query<{ prompt: number; completion: number; age: number }[]>(
        `SELECT prompt_tokens::int AS prompt, completion_tokens::int AS completion,
           extract(epoch FROM checkpoint_at - uuid_v7_time(request_id))::float AS age
         FROM open_requests WHERE checkpoint_at IS NOT NULL`,
      );
      return row;
    });
    await loseLease();
    const [reaped] = await settledRows(survivor, user.id);
    const [generation] = generationsOf(gateway);
    const prompt = generation?.promptTokens as number;
    expect(estimate.prompt).toBeGreaterThan(prompt / 4);
    expect(estimate.prompt).toBeLessThanOrEqual(prompt);
    // Most requests have been told of by then, and cost no checkpoint.
    expect(estimate.age).toBeGreaterThan(0.98);
    expect([reaped?.prompt_tokens, reaped?.completion_tokens]).toEqual([estimate.prompt, 0]);
    expect(reaped).toMatchObject({ source: 'estimated', outcome: 'upstream_error' });

    vllm.hung = false;
    await answer;
    const rows = await correctedRows();
    expect(rows).toEqual([
      expect.objectContaining({ source: 'exact', outcome: 'completed', prompt_tokens: prompt }),
    ]);
    expect(await counterDifferences(survivor)).toEqual([]);
    expect(await dailyOf(survivor, user.id)).toEqual(totalOf(rows));
  });

  it('frees its place among concurrent requests', async () => {
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
       VALUES ('user', $1, 'concurrent_requests', 'total', 1, 'admin')`,
      [user.id],
    );
    const answer = call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: user.key,
      body: slow(120, 50),
    });
    await checkpointOf();
    const short = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }] };
    expect((await survivor.post('/v1/chat/completions', user.key, short)).status).toBe(429);
    await loseLease();
    await untilNothingOpen(survivor);
    expect((await survivor.post('/v1/chat/completions', user.key, short)).status).toBe(200);
    await answer;
  });

  it('admits nothing more until its lease is renewed', async () => {
    await loseLease();
    await sleep(LEASE_MS);
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }] };
    const refused = await gateway.post('/v1/chat/completions', user.key, body);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(generationsOf(gateway)).toEqual([]);
  });

  it('is left alone while its lease is held, however long its stream runs', async () => {
    const answer = call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: user.key,
      body: slow(70, 50),
    });
    await sleep(3 * LEASE_MS);
    const [open] = await gateway.dataSource.query<{ open: number }[]>(
      'SELECT count(*)::int AS open FROM open_requests',
    );
    expect(open?.open).toBe(1);
    await answer;
    expect(await settledRows(gateway, user.id)).toMatchObject([{ source: 'exact', outcome: 'completed' }]);
  });

  it('writes checkpoints of many streams in one statement, beside their settlements', async () => {
    const statements = jest.spyOn(gateway.app.get(HotStatements, { strict: false }), 'run');
    const { journal, settings: vllm } = gateway.simulator;
    // However long they take to begin, they run together.
    vllm.hung = true;
    const answers = Array.from({ length: 60 }, (_, index) =>
      call({
        url: gateway.url,
        path: '/v1/chat/completions',
        credential: user.key,
        body: slow(120 + index, 40),
      }),
    );
    await until(() => Promise.resolve(journal.running === 60));
    vllm.hung = false;
    // What one statement has written has one transaction's number.
    await until(async () => {
      const [row] = await gateway.dataSource.query<{ rows: number; statements: number }[]>(
        `SELECT count(*)::int AS rows, count(DISTINCT xmin::text)::int AS statements FROM open_requests
         WHERE checkpoint_at IS NOT NULL AND prompt_tokens > 0 AND completion_tokens > 0`,
      );
      return row?.rows === 60 && row.statements === 1;
    });
    const done = await Promise.all(answers);
    // In every renewal all that had moved on, and no stream that was written alone.
    const carried = statements.mock.calls
      .filter(([name]) => name === 'renew_lease')
      .map(([, , values]) => (values[3] as string[]).length);
    expect(Math.max(...carried)).toBe(60);
    expect(carried.length).toBeLessThan(carried.reduce((sum, count) => sum + count, 0) / 4);
    expect(done.filter((answer) => !answer.text.endsWith('data: [DONE]\n\n'))).toEqual([]);
    const rows = await settledRows(gateway, user.id);
    expect(rows.map((row) => row.completion_tokens).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, index) => 120 + index),
    );
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});

async function until<T>(look: () => Promise<T>, withinMs = 30_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const isLast = Date.now() > deadline;
    const seen = await look();
    if (seen) return seen;
    if (isLast) throw new Error(`not within ${withinMs} ms`);
    await sleep(20);
  }
}

const generationsOf = (gateway: TestGateway) =>
  gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));

async function dailyOf(gateway: TestGateway, userId: string): Promise<number> {
  const [row] = await gateway.dataSource.query<{ tokens: number }[]>(
    'SELECT sum(prompt_tokens + completion_tokens)::int AS tokens FROM usage_daily WHERE user_id = $1',
    [userId],
  );
  return row?.tokens ?? 0;
}

const totalOf = (rows: LedgerRow[]): number =>
  rows.reduce((sum, row) => sum + row.prompt_tokens + row.completion_tokens, 0);
