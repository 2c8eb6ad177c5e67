import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { AdmissionService } from '../../src/usage/admission/admission.service';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from '../support/ledger';
import { untilLocksAreAwaited } from '../support/lock-waiters';
import { undisturbed } from '../support/undisturbed';

/** What one statement admits at most. */
const BATCH = 128;
const BEYOND = 12;
/** By so much the requests behind the first one give up before their statement does; shorter than that may take. */
const HELD_MS = 1_000;
const body = {
  model: 'opencode-llm',
  max_tokens: 20,
  messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
};

/**
 * Nothing is lost here, and no connection fails: PostgreSQL is slow, each statement stays within its 3 s, and the
 * requests of the second one have by then waited for longer than that.
 */
describe('PostgreSQL admits what was refused meanwhile because it took too long', () => {
  let gateway: TestGateway;
  let first: TestUser;
  let late: TestUser;
  const blockers: Client[] = [];

  const open = async () => {
    // Refusing for overload comes before the end of the 3 s, and would hide it.
    gateway = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000', SHED_AFTER_MS: '0' } });
    first = await gateway.register();
    late = await gateway.register();
    await chat(first);
    await chat(late);
    await untilNothingOpen(gateway);
  };
  const close = async () => {
    await Promise.all(blockers.splice(0).map((blocker) => blocker.end()));
    await gateway.close();
  };
  const renew = async () => {
    await close();
    await open();
  };
  beforeEach(open);
  afterEach(close);

  const chat = async (user: TestUser) => {
    const answer = await gateway.post('/v1/chat/completions', user.key, body);
    return { status: answer.status, body: (await answer.json()) as { error?: { code: string } } };
  };
  /** Whoever reserves for this user waits until it is let go. */
  const hold = async (user: TestUser) => {
    const blocker = new Client({ connectionString: gateway.env.DATABASE_URL });
    blockers.push(blocker);
    await blocker.connect();
    await blocker.query('BEGIN');
    const { rowCount } = await blocker.query('SELECT 1 FROM limit_windows WHERE subject_id = $1 FOR UPDATE', [
      user.id,
    ]);
    expect(rowCount).toBeGreaterThan(0);
    return () => blocker.query('ROLLBACK');
  };

  it('releases what it granted, leaves no trace of what was still in line, and vLLM hears of neither', () =>
    undisturbed(renew, async () => {
      const letFirstGo = await hold(first);
      const letLateGo = await hold(late);
      const slow = chat(first);
      await untilLocksAreAwaited(gateway, 1);
      const refused = Promise.all(Array.from({ length: BATCH + BEYOND }, () => chat(late)));
      const { group } = gateway.app.get(AdmissionService) as unknown as { group: { waiting: unknown[] } };
      const over = new AbortController();
      void slow.finally(() => over.abort());
      while (!over.signal.aborted && group.waiting.length < BATCH + BEYOND) await sleep(10);
      await sleep(HELD_MS);
      await letFirstGo();
      expect((await slow).status).toBe(200);
      const answers = await refused;
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
      expect(new Set(answers.map((answer) => answer.body.error?.code))).toEqual(
        new Set(['database_unavailable']),
      );
      await untilLocksAreAwaited(gateway, 1);
      await letLateGo();

      await admittedOrReleased();
      const rows = await settledRows(gateway, late.id);
      const released = rows.filter(({ outcome }) => outcome === 'rejected');
      expect([rows.length, released.length]).toEqual([1 + BATCH, BATCH]);
      expect(new Set(released.map((row) => row.prompt_tokens + row.completion_tokens))).toEqual(new Set([0]));
      expect(await counterDifferences(gateway)).toEqual([]);
      const asked = gateway.simulator.journal.entries.filter(({ path }) => path === '/v1/chat/completions');
      expect(asked).toHaveLength(3);
      expect((await chat(late)).status).toBe(200);
    }));

  /** Until the statement that was held has ended: before it nothing is open, because nothing is admitted yet. */
  const admittedOrReleased = async () => {
    for (let n = 0; n < 1_500; n += 1) {
      const [row] = await gateway.dataSource.query<{ settled: number }[]>(
        `SELECT count(*)::int AS settled FROM usage_records WHERE user_id = $1`,
        [late.id],
      );
      if ((row?.settled ?? 0) > 1) return;
      await sleep(20);
    }
    throw new Error('nothing of what was admitted late has been settled');
  };
});
