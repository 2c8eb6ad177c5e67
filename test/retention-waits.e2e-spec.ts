import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Retention } from '../src/usage/retention/retention.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { middleOf, partitionOf, partitionsOf } from './support/ledger-months';
import { ledgerLines } from './support/ledger-report';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { LostTime } from './support/lost-time';
import { slowness } from './support/slowness';

const KEPT_MONTHS = 3;

describe('retention that waits for a reader of the whole ledger', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeEach(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterEach(() => gateway.close());

  /** Waits for its turn: the start of the gateway may be at it still. */
  const retain = async (at: Date) => {
    while (!(await gateway.app.get(Retention, { strict: false }).run(at))) await sleep(10);
  };

  it.each([
    ['make months', false],
    ['drop one', true],
  ])('lets settlements pass until it may %s', async (_, haveAll) => {
    const at = middleOf(KEPT_MONTHS + 2);
    gateway.env.USAGE_RETENTION_MONTHS = 0;
    await retain(middleOf(-1));
    if (haveAll) await retain(at);
    gateway.env.USAGE_RETENTION_MONTHS = KEPT_MONTHS;
    const reader = new Client({ connectionString: gateway.env.DATABASE_URL });
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM usage_records');
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => (leave = resolve));
    // One who reads for longer than six seconds is left to the next run.
    const run = retain(at).catch(() => left.then(() => retain(at)));
    let passed = 0;
    const slowest = await slowestSettlement(async () => {
      await untilLocksAreAwaited(gateway, 1);
      const [before, from] = [await settled(), Date.now()];
      while ((passed < 10 && Date.now() - from < 30_000) || Date.now() - from < 2_000) {
        await sleep(20);
        passed = (await settled()) - before;
      }
      await reader.query('COMMIT');
      await reader.end();
      leave();
      await run;
    });
    expect(passed).toBeGreaterThanOrEqual(10);
    expect(slowest).toBeLessThan(1_500 * slowness());
    expect(await partitionsOf(gateway)).not.toContain(partitionOf(-1));
    expect(await partitionsOf(gateway)).toContain(partitionOf(KEPT_MONTHS + 4));
    await untilNothingOpen(gateway);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  /** By the rollup: the ledger itself may be locked. */
  async function settled(): Promise<number> {
    const [row] = await gateway.dataSource.query<{ requests: number }[]>(
      'SELECT coalesce(sum(requests), 0)::int AS requests FROM usage_daily',
    );
    return row?.requests ?? 0;
  }

  /** How long the slowest of many small requests took while something else went on. */
  async function slowestSettlement(meanwhile: () => Promise<void>): Promise<number> {
    const lost = new LostTime();
    const over = new AbortController();
    const done = meanwhile().finally(() => over.abort());
    let slowest = 0;
    while (!over.signal.aborted) {
      const sentAt = Date.now();
      const answer = await gateway.post('/v1/chat/completions', user.key, {
        model: 'opencode-llm',
        messages: [{ role: 'user', content: 'SIM:{"tokens":3}' }],
      });
      expect(answer.status).toBe(200);
      const answeredAt = Date.now();
      slowest = Math.max(slowest, answeredAt - sentAt - (await lost.between(sentAt, answeredAt)));
    }
    await lost.stop();
    await done;
    return slowest;
  }
});
