import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { REPORTS_AT_A_TIME, ReportStatements } from '../../src/database/report-statements';
import { Retention } from '../../src/usage/retention/retention.service';
import { asAdmin } from '../support/administration';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { untilNothingOpen } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { untilLocksAreAwaited } from '../support/lock-waiters';

/** Longer than any other statement may take. */
const LONG_MS = 16_000;

/** Adding up a large ledger takes long; here it waits for a table that nothing else needs meanwhile. */
describe('new limits over a ledger that takes long to add up', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { DATABASE_POOL_SIZE: '2' } });
    admin = await gateway.registerAdmin();
    user = await gateway.register();
    while (!(await gateway.app.get(Retention, { strict: false }).run())) await sleep(10);
  });
  afterAll(() => gateway.close());

  const chat = async () => {
    const messages = [{ role: 'user', content: 'SIM:{"tokens":5}' }];
    const answer = await gateway.post('/v1/chat/completions', user.key, { model: 'opencode-llm', messages });
    return answer.status;
  };
  const limit = async (window: string) => {
    const json = { subject: 'everyone', metric: 'tokens', window, amount: 1_000_000 };
    return (await asAdmin(gateway, admin)('/limits', { method: 'PUT', json })).status;
  };

  it('say what to do about the limit when reports are in the way of adding up', async () => {
    const reports = gateway.app.get(ReportStatements, { strict: false });
    const locker = new Client({ connectionString: gateway.env.DATABASE_URL });
    await locker.connect();
    await locker.query('SELECT pg_advisory_lock(1)');
    const inTheWay = Array.from({ length: REPORTS_AT_A_TIME }, () =>
      reports.runWithin(600_000, 'SELECT pg_advisory_xact_lock(1)', []),
    );
    await untilLocksAreAwaited(gateway, REPORTS_AT_A_TIME);
    const json = { subject: 'everyone', metric: 'tokens', window: 'week', amount: 1_000_000 };
    const refused = await asAdmin(gateway, admin)('/limits', { method: 'PUT', json });
    await locker.end();
    await Promise.all(inTheWay);
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(refused.body).toMatchObject({
      status: 503,
      code: 'busy',
      detail:
        'The limit is not set (a default: not for all users): what has been used so far counts, and reports are being ' +
        'added up at the moment. Please repeat the request shortly.',
    });
    expect(await limit('week')).toBe(200);
  });

  it('say so when what is being settled holds the counters for too long', async () => {
    const locker = new Client({ connectionString: gateway.env.DATABASE_URL });
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE limit_windows IN SHARE MODE');
    const json = { subject: 'everyone', metric: 'tokens', window: 'day', amount: 1_000_000 };
    const refused = await asAdmin(gateway, admin)('/limits', { method: 'PUT', json });
    await locker.end();
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(refused.body).toMatchObject({
      status: 503,
      code: 'busy',
      detail:
        'The limit cannot begin to count while what is being settled holds the counters. Please repeat the request shortly.',
    });
    expect(await limit('day')).toBe(200);
  });

  it('are set in the end, and hold up nobody', async () => {
    expect(await chat()).toBe(200);
    await untilNothingOpen(gateway);
    const locker = new Client({ connectionString: gateway.env.DATABASE_URL });
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE usage_retention IN ACCESS EXCLUSIVE MODE');
    const limits = Promise.all([limit('total'), limit('month')]);
    const longEnough = sleep(LONG_MS);
    await untilLocksAreAwaited(gateway, 1);
    for (let n = 0; n < 20; n += 1) {
      expect(await chat()).toBe(200);
      // It adds up over the connections that new limits do.
      expect((await asAdmin(gateway, admin)('/usage/records')).status).toBe(200);
    }
    await longEnough;
    await locker.query('ROLLBACK');
    await locker.end();
    expect(await limits).toEqual([200, 200]);
    await untilNothingOpen(gateway);
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
