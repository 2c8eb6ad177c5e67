import { startGateway, TestGateway } from './support/gateway';

const OPEN_REQUESTS = 3_000;
const COUNTERS = 500;
/** Rows that pass by for each request and counter: read, joined, gathered, written. */
const PER_ROW = 40;

interface Plan {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

/** Rows that a plan has looked at, those included that did not fit. */
function lookedAt(plan: Plan): number {
  const own =
    plan['Actual Rows'] + (plan['Rows Removed by Join Filter'] ?? 0) + (plan['Rows Removed by Filter'] ?? 0);
  return own * plan['Actual Loops'] + (plan.Plans ?? []).reduce((sum, part) => sum + lookedAt(part), 0);
}

/** While counters begin to reserve nobody is admitted, so what that takes must not grow with the one times the other. */
describe('counters that take up what requests under way hold', () => {
  let gateway: TestGateway;
  let users: string[];

  beforeAll(async () => {
    gateway = await startGateway();
    const made = await gateway.dataSource.query<{ id: string }[]>(
      `INSERT INTO users (id, username, username_key)
       SELECT gen_random_uuid(), 'crowd' || i, 'crowd' || i FROM generate_series(1, ${COUNTERS}) i RETURNING id`,
    );
    users = made.map(({ id }) => id);
  });
  afterAll(() => gateway.close());

  /** The statement of the function that takes them up, by itself. Its arguments are those of a prepared statement. */
  async function takingUp(): Promise<string> {
    const [{ body }] = await gateway.dataSource.query<[{ body: string }]>(
      `SELECT prosrc AS body FROM pg_proc WHERE proname = 'begin_reserving'`,
    );
    const [, statement = ''] = /(WITH concerned AS [^;]+);/.exec(body) ?? [];
    const named = statement.replaceAll(/\bids\b/g, '$1').replaceAll(/\bp_subject\b/g, '$2');
    expect(named).not.toMatch(/\bp_\w+/);
    return named;
  }

  it.each([
    ['user', 'force_custom_plan'],
    ['user', 'force_generic_plan'],
    ['key', 'force_custom_plan'],
    ['key', 'force_generic_plan'],
    ['everyone', 'force_generic_plan'],
  ])('look at each request and counter once: %s, %s', async (subject, plans) => {
    const everyone = '00000000-0000-0000-0000-000000000000';
    const subjects = subject === 'everyone' ? [everyone] : users;
    const runner = gateway.dataSource.createQueryRunner();
    try {
      await runner.startTransaction();
      const counters = (await runner.query(
        `INSERT INTO limit_windows (subject, subject_id, metric, period, model, window_start, reserves)
         SELECT $1, id, 'tokens', 'week', '', now() - interval '1 day', true FROM unnest($2::uuid[]) AS s (id) RETURNING id`,
        [subject, subjects],
      )) as { id: string }[];
      await runner.query(
        `INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, key_id, endpoint, model, stream,
           prompt_bound, reserved, held)
         SELECT gen_random_uuid(), gen_random_uuid(), now(), u.id, u.id, 'chat_completions', 'opencode-llm', false, 5, 10, '{}'
         FROM generate_series(1, ${OPEN_REQUESTS}) i, LATERAL (SELECT ($1::uuid[])[1 + i % ${COUNTERS}] AS id) u`,
        [users],
      );
      await runner.query(`SET LOCAL plan_cache_mode = ${plans}`);
      await runner.query(`PREPARE taking_up (bigint[], text) AS ${await takingUp()}`);
      const ids = counters.map(({ id }) => id).join();
      const [row] = (await runner.query(
        `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE taking_up ('{${ids}}', '${subject}')`,
      )) as [{ 'QUERY PLAN': [{ Plan: Plan }] }];
      const [{ held }] = (await runner.query(
        `SELECT sum(reserved)::int AS held FROM limit_windows WHERE id = ANY ($1::bigint[])`,
        [counters.map(({ id }) => id)],
      )) as [{ held: number }];
      expect(held).toBe(10 * OPEN_REQUESTS);
      expect(lookedAt(row['QUERY PLAN'][0].Plan)).toBeLessThan(PER_ROW * (OPEN_REQUESTS + COUNTERS));
    } finally {
      await runner.rollbackTransaction();
      // Prepared statements outlive their transaction.
      await runner.query('DEALLOCATE ALL');
      await runner.release();
    }
  });
});
