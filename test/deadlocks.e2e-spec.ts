import { randomUUID } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import { Client } from 'pg';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, untilNothingOpen } from './support/ledger';
import { untilLocksAreAwaited } from './support/lock-waiters';

// Whom PostgreSQL undoes is a matter of whose wait is a second old first; on a busy machine that may be the test's own.
jest.retryTimes(4, { logErrorsBeforeRetry: true });

const ADMIT = `SELECT verdict FROM admit_requests($1, 'UTC', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

describe('admissions that would wait for each other', () => {
  let gateway: TestGateway;
  let user: TestUser;
  const clients: Client[] = [];

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.end())));

  const sql = <Row>(text: string, values: unknown[] = []) => gateway.dataSource.query<Row[]>(text, values);
  const connect = async () => {
    const client = new Client({ connectionString: gateway.env.DATABASE_URL });
    clients.push(client);
    await client.connect();
    return client;
  };
  /** One batch, as a replica sends it. @returns what PostgreSQL says to it, or its error's code */
  const admit = async (keys: readonly string[], by?: Client) => {
    const each = <T>(value: T) => keys.map(() => value);
    const ids = keys.map(() => uuidV7());
    const replica = by ?? (await connect());
    const values = [randomUUID(), ids, each(user.id), each(null), each('chat_completions'), each('x')];
    return replica.query(ADMIT, [...values, each(false), each(1), each(1), each(1), keys]).then(
      ({ rows }) => rows.map(({ verdict }: { verdict: string }) => verdict),
      ({ code }: { code: string }) => code,
    );
  };

  it('take idempotency keys in one order, whatever order they came in', async () => {
    // Without a limit nothing makes them wait for each other earlier.
    await sql(`UPDATE limit_windows SET reserves = false WHERE subject_id = $1`, [user.id]);
    // Keeps both batches in the middle of their keys, each with the other's last one behind it.
    const between = await connect();
    await between.query('BEGIN');
    await between.query(
      `INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, endpoint, model, stream, prompt_bound,
         reserved, held, idempotency_key)
       SELECT gen_random_uuid(), gen_random_uuid(), now(), $1, 'chat_completions', 'x', false, 1, 1, '{}', key
       FROM unnest(ARRAY['m', 'n']) AS key`,
      [user.id],
    );
    const batches = Promise.all([admit(['a', 'm', 'z']), admit(['z', 'n', 'a'])]);
    await untilLocksAreAwaited(gateway, 2);
    await between.query('ROLLBACK');
    const UNIQUE_VIOLATION = '23505';
    expect((await batches).sort()).toEqual([UNIQUE_VIOLATION, ['admitted', 'admitted', 'admitted']].sort());
    await sql('DELETE FROM open_requests');
  });

  it('find a key that came in while they waited for a counter, and do not wait for its request to end', async () => {
    await sql(`UPDATE limit_windows SET reserves = true WHERE subject_id = $1 AND period = 'day'`, [user.id]);
    const first = await connect();
    await first.query('BEGIN');
    expect(await admit(['a'], first)).toEqual(['admitted']);
    const second = admit(['a', 'b']);
    await untilLocksAreAwaited(gateway, 1);
    await first.query('COMMIT');
    // What settles it takes the key away first, and then waits for the counter.
    const ending = await connect();
    await ending.query('BEGIN');
    await ending.query('DELETE FROM open_requests WHERE user_id = $1', [user.id]);
    expect(await second).toEqual(['in_flight', 'admitted']);
    await ending.query('COMMIT');
    await sql('DELETE FROM open_requests');
    await sql('UPDATE limit_windows SET reserved = 0 WHERE subject_id = $1', [user.id]);
  });

  it('are decided again when PostgreSQL ends a deadlock by undoing them', async () => {
    await sql(`UPDATE limit_windows SET reserves = true WHERE subject_id = $1 AND period = 'day'`, [user.id]);
    const counters = await sql<{ id: string }>(
      `SELECT id FROM limit_windows WHERE subject_id = $1 AND reserves ORDER BY id`,
      [user.id],
    );
    const [first, second] = counters.map(({ id }) => id);
    const inTheWay = await connect();
    const lock = (id?: string) =>
      inTheWay.query('SELECT 1 FROM limit_windows WHERE id = $1 FOR UPDATE', [id]);
    await inTheWay.query('BEGIN');
    await lock(second);
    const messages = [{ role: 'user', content: 'SIM:{"tokens":3}' }];
    const answer = gateway.post('/v1/chat/completions', user.key, { model: 'opencode-llm', messages });
    await untilLocksAreAwaited(gateway, 1);
    // Who has waited for longest is undone.
    await lock(first);
    await inTheWay.query('ROLLBACK');
    expect((await answer).status).toBe(200);
    await untilNothingOpen(gateway);
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});
