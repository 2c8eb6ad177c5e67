import { Client } from 'pg';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';

/** Longer than an admission waits, and much longer than who makes a counter keeps others waiting at a time. */
const HELD_MS = 6_000;

describe('a new counter that has to wait', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let settling: Client;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
    settling = new Client({ connectionString: gateway.env.DATABASE_URL });
    await settling.connect();
  });
  afterAll(async () => {
    await settling.end();
    await gateway.close();
  });

  const setLimit = (metric: string) =>
    fetch(`${gateway.url}/admin/limits`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        subject: 'user',
        subject_id: user.id,
        metric,
        window: 'hour',
        amount: 1_000_000,
      }),
    });
  let admin: TestUser;
  beforeAll(async () => {
    admin = await gateway.registerAdmin();
  });

  it('for a settlement that hangs lets others in meanwhile, and is made in the end', async () => {
    await settling.query('BEGIN');
    // As a settlement does that waits for something.
    await settling.query('SELECT pg_advisory_xact_lock_shared(counting_lock())');
    const heldUntil = Date.now() + HELD_MS;
    const limit = setLimit('requests');
    await untilLocksAreAwaited(gateway, 1);
    const statuses: number[] = [];
    while (Date.now() < heldUntil) {
      const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'SIM:{"tokens":2}' }] };
      const answer = await gateway.post('/v1/chat/completions', user.key, body);
      await answer.text();
      statuses.push(answer.status);
    }
    await settling.query('COMMIT');
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(statuses.length).toBeGreaterThan(3);
    expect((await limit).status).toBe(200);
  });
});
