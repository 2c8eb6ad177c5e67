import { setTimeout as sleep } from 'node:timers/promises';
import { HotStatements } from '../src/database/hot-statements';
import { SettlementSpool } from '../src/usage/spool/settlement-spool.service';
import { startGateway, TestGateway } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { undisturbed } from './support/undisturbed';

/** Longer than a settlement is waited for before it is written to disk. */
const EACH_S = 0.6;
const REQUESTS = 60;

describe('a PostgreSQL that is slow to settle', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway();
    await gateway.dataSource.query(
      `CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_sleep(${EACH_S}); RETURN NULL; END $$`,
    );
    await gateway.dataSource.query(
      `CREATE TRIGGER slow AFTER INSERT ON usage_records FOR EACH STATEMENT EXECUTE FUNCTION take_time()`,
    );
  });
  afterAll(() => gateway.close());
  afterEach(() => jest.restoreAllMocks());

  const allSettled = async () => {
    await untilNothingOpen(gateway);
    const spool = gateway.app.get(SettlementSpool, { strict: false });
    for (let n = 0; n < 600 && !spool.isEmpty; n += 1) await sleep(50);
    expect(spool.held()).toEqual([]);
  };

  // Statements are given up after three seconds, rightly so also where the machine stood still for most of them.
  it('is told of each settlement once, though all of them were on disk meanwhile', async () => {
    const run = jest.spyOn(HotStatements.prototype, 'run');
    const renew = async () => {
      await allSettled();
      run.mockClear();
    };
    await undisturbed(renew, async () => {
      const user = await gateway.register();
      const body = {
        model: 'opencode-llm',
        messages: [{ role: 'user', content: `SIM:${JSON.stringify({ tokens: 3 })}` }],
      };
      const answers: Promise<Response>[] = [];
      for (let n = 0; n < REQUESTS; n += 1) {
        answers.push(gateway.post('/v1/chat/completions', user.key, body));
        await sleep(50);
      }
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 200));
      await allSettled();
      const names = run.mock.calls.map(([name]) => name);
      expect(names.filter((name) => name === 'settle_late')).toEqual([]);
      const [{ rows }] = await gateway.dataSource.query<[{ rows: number }]>(
        'SELECT count(*)::integer AS rows FROM usage_records WHERE user_id = $1',
        [user.id],
      );
      expect(rows).toBe(REQUESTS);
    });
  });
});
