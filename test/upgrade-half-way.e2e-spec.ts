import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { AdmitWhereLimited1764000001310 } from '../migrations/1764000001310-admit-where-limited';
import { dataSourceOptions } from '../src/database/data-source-options';
import { counterDifferences } from './support/ledger';
import { onServer, urlOf } from './support/postgres';

const ADMIT = `SELECT verdict FROM admit_requests(gen_random_uuid(), 'UTC', $1, $2, array_fill(NULL::uuid, ARRAY[$3::int]),
  array_fill('chat'::text, ARRAY[$3::int]), array_fill('m'::text, ARRAY[$3::int]), array_fill(false, ARRAY[$3::int]),
  array_fill(5::bigint, ARRAY[$3::int]), array_fill(20::bigint, ARRAY[$3::int]), array_fill(1::bigint, ARRAY[$3::int]))`;
const SETTLE = `SELECT settle_requests('UTC', $1, array_fill('completed'::text, ARRAY[$2::int]),
  array_fill('exact'::text, ARRAY[$2::int]), array_fill(200, ARRAY[$2::int]), array_fill(4::bigint, ARRAY[$2::int]),
  array_fill(0::bigint, ARRAY[$2::int]), array_fill(6::bigint, ARRAY[$2::int]), array_fill(0::bigint, ARRAY[$2::int]),
  array_fill(1, ARRAY[$2::int]), array_fill(1, ARRAY[$2::int]))`;
const SETTLE_LATE = `SELECT settle_late('UTC', uuid_v7_floor(clock_timestamp()), $1, NULL, 'chat', 'm', false, 'completed',
  'exact', 200, 4, 0, 6, 0, 1, 1, true) AS what`;

/** Each migration is committed by itself, and the one after this waits for whoever reads the ledger, as a dump does. */
describe('an upgrade that stands still once admission leaves counters without a limit to settlement', () => {
  const database = `test_${randomBytes(6).toString('hex')}`;
  let dataSource: DataSource;
  let left: DataSource['migrations'];
  const sql = <T>(statement: string, values: unknown[] = []) => dataSource.query<T[]>(statement, values);

  beforeAll(async () => {
    await onServer(`CREATE DATABASE ${database}`);
    dataSource = new DataSource(dataSourceOptions({ url: urlOf(database), poolSize: 1 }));
    await dataSource.initialize();
    const here = dataSource.migrations.findIndex((one) => one instanceof AdmitWhereLimited1764000001310);
    left = dataSource.migrations.splice(here + 1);
    await dataSource.runMigrations();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await onServer(`DROP DATABASE ${database} WITH (FORCE)`);
  });

  /** Somebody whose counters are as yesterday left them, with 70 tokens. */
  async function userOfYesterday(): Promise<string> {
    const name = randomBytes(6).toString('hex');
    const [user] = await sql<{ id: string }>(
      `INSERT INTO users (id, username, username_key) VALUES (gen_random_uuid(), $1, $1) RETURNING id`,
      [name],
    );
    const id = user?.id as string;
    const yesterday = new Date(Date.now() - 24 * 3_600_000);
    await sql(
      `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome, source,
         status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
       VALUES (gen_random_uuid(), $2, $2, $1, 'chat', 'm', false, 'completed', 'exact', 200, 30, 0, 40, 0, 1)`,
      [id, yesterday],
    );
    await sql(
      `UPDATE limit_windows SET used = 70, window_start = limit_window_start(period, $2, 'UTC') WHERE subject_id = $1`,
      [id, yesterday],
    );
    return id;
  }

  async function generate(userId: string, count: number): Promise<void> {
    const ids = (
      await sql<{ id: string }>(`SELECT gen_random_uuid() AS id FROM generate_series(1, $1)`, [count])
    ).map(({ id }) => id);
    const admitted = Array.from({ length: count }, () => ({ verdict: 'admitted' }));
    expect(await sql(ADMIT, [ids, ids.map(() => userId), count])).toEqual(admitted);
    expect(await sql(SETTLE, [ids, count])).toHaveLength(count);
  }

  it.each<[what: string, settle: (userId: string) => Promise<unknown>]>([
    ['one request', (userId) => generate(userId, 1)],
    ['several at once', (userId) => generate(userId, 2)],
    [
      'one that comes late',
      async (userId) => expect(await sql(SETTLE_LATE, [userId])).toEqual([{ what: 'inserted' }]),
    ],
  ])('counts today what it settles today: %s', async (_what, settle) => {
    const userId = await userOfYesterday();
    await settle(userId);
    // A limit that is set now rolls what is over.
    await sql(`SELECT begin_reserving('user', ARRAY[$1::uuid], 'tokens', 'day', '', 'UTC')`, [userId]);
    expect(await counterDifferences({ dataSource })).toEqual([]);
  });

  it('has lost nothing once it goes on', async () => {
    const userId = await userOfYesterday();
    await generate(userId, 1);
    dataSource.migrations.push(...left);
    await dataSource.runMigrations();
    await generate(userId, 1);
    expect(await counterDifferences({ dataSource })).toEqual([]);
  });
});
