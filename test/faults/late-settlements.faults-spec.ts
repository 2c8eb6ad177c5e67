import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidV7 } from 'uuid';
import { Client } from 'pg';
import { BackfillSums } from '../../src/usage/limits/backfill-sums.service';
import { asAdmin } from '../support/administration';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { untilNothingOpen } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { untilLocksAreAwaited } from '../support/lock-waiters';

const limits = [
  ['a limit on everyone', '/limits', { subject: 'everyone', window: 'month' }],
  ['a default limit', '/limits/default', { window: 'week' }],
] as const;

describe('settlements that come late, while limits are made whose counters are new', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;
  let late: Client;

  beforeEach(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    user = await gateway.register();
    late = new Client({ connectionString: gateway.env.DATABASE_URL });
    await late.connect();
    for (let n = 0; n < 2; n += 1) {
      const messages = [{ role: 'user', content: 'SIM:{"tokens":5}' }];
      await gateway.post('/v1/chat/completions', user.key, { model: 'opencode-llm', messages });
    }
    await untilNothingOpen(gateway);
    // One of the two was settled for a process that was taken for dead.
    await sql(`UPDATE usage_records SET provisional = true
      WHERE request_id = (SELECT request_id FROM usage_records ORDER BY request_id LIMIT 1)`);
  });
  afterEach(async () => {
    await late.end();
    await gateway.close();
  });

  const sql = <Row>(text: string, values: unknown[] = []) => gateway.dataSource.query<Row[]>(text, values);
  /** One settlement corrects, and one inserts what is not there at all. */
  const settleLate = async () => {
    const correction = `SELECT settle_late('UTC', request_id, user_id, key_id, endpoint, model, stream, outcome, source,
        status, prompt_tokens + 10, cached_tokens, completion_tokens, reasoning_tokens, NULL, duration_ms, true) AS result
      FROM usage_records WHERE provisional`;
    const insertion = `SELECT settle_late('UTC', $1, user_id, key_id, endpoint, model, stream, outcome, source, status,
        7, 0, 8, 0, NULL, 9, true) AS result
      FROM usage_records LIMIT 1`;
    const beforeTheLimit = uuidV7({ msecs: Date.now() - 10_000 });
    expect((await late.query(correction)).rows).toEqual([{ result: 'corrected' }]);
    expect((await late.query(insertion, [beforeTheLimit])).rows).toEqual([{ result: 'inserted' }]);
  };
  /** Starts to make a limit, and comes back when its counter is there, and waits to be filled until it is let go. */
  const begin = async (path: string, limit: object) => {
    const sums = gateway.app.get(BackfillSums, { strict: false });
    let letGo: () => void = () => undefined;
    const free = new Promise<void>((resolve) => (letGo = resolve));
    for (const whose of ['ofFew', 'ofAll'] as const) {
      const addUp = sums[whose].bind(sums);
      jest.spyOn(sums, whose).mockImplementation(async (text, values) => {
        await free;
        return addUp(text, values);
      });
    }
    const made = asAdmin(gateway, admin)(path, { method: 'PUT', json: { ...limit, amount: 1_000_000 } });
    while ((await sql('SELECT 1 FROM limit_windows WHERE backfill_before IS NOT NULL')).length === 0)
      await sleep(5);
    return { made, letGo };
  };

  describe.each(limits)('%s', (_, path, limit) => {
    describe.each(['tokens', 'requests'])('on %s', (metric) => {
      it('counts once what is settled before it is added up', async () => {
        const { made, letGo } = await begin(path, { metric, ...limit });
        await settleLate();
        letGo();
        expect((await made).status).toBe(200);
        expect(await ledgerLines(gateway)).toEqual([]);
      });

      it('counts once what is settled when it has been added up, but is not written yet', async () => {
        const { made, letGo } = await begin(path, { metric, ...limit });
        await late.query('BEGIN');
        await late.query(`SELECT 1 FROM limit_windows WHERE backfill_before IS NOT NULL FOR UPDATE`);
        letGo();
        await untilLocksAreAwaited(gateway, 1);
        await settleLate();
        await late.query('COMMIT');
        expect((await made).status).toBe(200);
        expect(await ledgerLines(gateway)).toEqual([]);
      });
    });
  });
});
