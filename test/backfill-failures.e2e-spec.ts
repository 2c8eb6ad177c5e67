import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Retention } from '../src/usage/retention/retention.service';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway } from './support/gateway';
import type { Answer } from './support/send';

/** What takes too long is ended by PostgreSQL; here by this test, as nobody wants to wait ten minutes for it. */
describe('a limit whose usage so far takes too long to add up', () => {
  let gateway: TestGateway;
  let request: ReturnType<typeof asAdmin>;
  let locker: Client;

  beforeAll(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    while (!(await gateway.app.get(Retention, { strict: false }).run())) await sleep(10);
    locker = new Client({ connectionString: gateway.env.DATABASE_URL });
    await locker.connect();
  });
  afterAll(async () => {
    await locker.end();
    await gateway.close();
  });

  /** Whatever waits for a table that adding up needs is ended, as often as it takes for an answer. */
  async function endedUntilAnswered(answer: Promise<Answer>): Promise<Answer> {
    const answered = answer.then(() => true);
    // Not over the locker: within a transaction the list of sessions stays as it was first seen.
    while (!(await Promise.race([answered, sleep(20, false)]))) {
      await gateway.dataSource.query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
    }
    return answer;
  }

  it.each<[of: string, path: string, limit: object]>([
    ['everybody', '/limits', { subject: 'everyone', metric: 'tokens', window: 'total' }],
    ['each user', '/limits/default', { metric: 'tokens', window: 'week' }],
  ])('says of one on %s what to do about the limit, and nothing of reports', async (_, path, limit) => {
    const set = () => request(path, { method: 'PUT', json: { ...limit, amount: 1_000_000 } });
    await locker.query('BEGIN; LOCK TABLE usage_retention IN ACCESS EXCLUSIVE MODE');
    const refused = await endedUntilAnswered(set());
    await locker.query('ROLLBACK');
    expect(refused.body).toMatchObject({
      status: 422,
      code: 'range_too_long',
      detail:
        'The limit is not set (a default: not for all users): what has been used so far takes too long to add up. ' +
        'Choose a shorter window, or a limit on one user or one key.',
    });
    expect((await set()).status).toBe(200);
  });
});
