import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { Retention } from '../src/usage/retention/retention.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { middleOf, partitionOf, partitionsOf } from './support/ledger-months';
import { ledgerLines } from './support/ledger-report';

const DAY_MS = 86_400_000;
const LOCK_NOT_AVAILABLE = '55P03';

const SETTLE = `SELECT settle_late('UTC', $1, $2, (SELECT id FROM api_keys WHERE user_id = $2), 'chat_completions',
  'opencode-llm', false, 'completed', 'exact', 200, 7, 0, 8, 0, NULL, 9, true) AS result`;

/** What retention does, and the tables where a settlement of that time is in its way. */
interface Work {
  readonly does: string;
  readonly statement: string;
  /** Before anything is in the way. */
  prepare?(): Promise<void>;
  readonly at: Date;
  readonly settledAt: Date;
  done(): Promise<boolean>;
}

describe('retention, while a settlement is not at its end', () => {
  let gateway: TestGateway;
  let users: [TestUser, TestUser];
  let settling: Client;
  let behind: Client;

  beforeEach(async () => {
    gateway = await startGateway();
    users = [await gateway.register(), await gateway.register()];
    settling = new Client({ connectionString: gateway.env.DATABASE_URL });
    behind = new Client({ connectionString: gateway.env.DATABASE_URL });
    await Promise.all([settling.connect(), behind.connect()]);
  });
  afterEach(async () => {
    await Promise.all([settling.end(), behind.end()]);
    await gateway.close();
  });

  /** Waits for its turn: the start of the gateway may be at it still. */
  const retain = async (at: Date): Promise<void> => {
    while (!(await gateway.app.get(Retention, { strict: false }).run(at))) await sleep(10);
  };
  /** A run that has asked for its locks often enough leaves the rest to the next one. */
  const retainInTheEnd = async (at: Date): Promise<void> => {
    for (;;) {
      try {
        return await retain(at);
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
      }
    }
  };
  const settle = async (client: Client, user: TestUser, at: Date): Promise<void> => {
    const { rows } = await client.query(SETTLE, [uuidV7({ msecs: at.getTime() }), user.id]);
    expect(rows).toEqual([{ result: 'inserted' }]);
  };
  const pidOf = (client: Client): number => (client as unknown as { processID: number }).processID;

  /** Who waits for `blocker`, with which statement. */
  const waitingFor = (blocker: number): Promise<{ pid: number; query: string }[]> =>
    gateway.dataSource.query(
      `SELECT pid, query FROM pg_stat_activity
       WHERE datname = current_database() AND $1 = ANY (pg_blocking_pids(pid))`,
      [blocker],
    );

  /** Settles for somebody else until that has waited behind retention, which waits for the one in its way. */
  async function settleBehind({ statement, settledAt }: Work): Promise<void> {
    for (let wasBehind = false; !wasBehind;) {
      const [retention] = (await waitingFor(pidOf(settling))).filter(({ query }) =>
        query.includes(statement),
      );
      if (!retention) {
        await sleep(5);
        continue;
      }
      const settled = settle(behind, users[1], settledAt).then(() => true);
      while (!(await Promise.race([settled, sleep(5, false)]))) {
        const waiting = await waitingFor(retention.pid);
        wasBehind ||= waiting.some(({ pid }) => pid === pidOf(behind));
      }
    }
  }

  const works: Work[] = [
    {
      does: 'makes months',
      statement: 'ensure_usage_partition',
      at: middleOf(2),
      // Its month has no partition of its own.
      settledAt: middleOf(-2),
      done: async () => (await partitionsOf(gateway)).includes(partitionOf(4)),
    },
    {
      does: 'drops one',
      statement: 'drop_usage_partition',
      prepare: async () => {
        gateway.env.USAGE_RETENTION_MONTHS = 0;
        await retain(middleOf(-4));
        gateway.env.USAGE_RETENTION_MONTHS = 1;
      },
      at: new Date(),
      settledAt: new Date(),
      done: async () => !(await partitionsOf(gateway)).includes(partitionOf(-4)),
    },
    {
      does: 'closes a day',
      statement: 'close_usage_days',
      at: new Date(Date.now() + 3 * DAY_MS),
      settledAt: new Date(),
      done: async () => {
        const [row] = await gateway.dataSource.query<[{ closed: boolean }]>(
          `SELECT closed_until > (now() AT TIME ZONE 'UTC')::date AS closed FROM usage_retention`,
        );
        return row.closed;
      },
    },
  ];

  it.each(works)('$does only when that is over, and lets others settle meanwhile', async (work) => {
    await retain(new Date());
    await work.prepare?.();
    await settling.query('BEGIN');
    await settle(settling, users[0], work.settledAt);
    const run = retainInTheEnd(work.at);
    // Of a run that fails for anything else nobody has to wait.
    await Promise.race([settleBehind(work), run]);
    expect(await work.done()).toBe(false);
    await settling.query('COMMIT');
    await run;
    expect(await work.done()).toBe(true);
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
