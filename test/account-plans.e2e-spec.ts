import type { EntityManager } from 'typeorm';
import { accountParts } from '../src/administration/own-account/account-parts';
import { deleteLimitsOfUser } from '../src/usage/limits/limit-store';
import { startGateway, TestGateway, TestUser } from './support/gateway';

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly Plan[];
}

/** Tables that have rows of everybody. */
const SHARED = ['limits', 'limit_windows', 'audit_log', 'api_keys'];

/** Other people, each with a key, limits on both of them, counters, and entries in the audit log. */
const CROWD = 20_000;
/** As many as are made well within the time that a statement has. */
const AT_ONCE = 2_000;

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

describe('what is read and deleted of one account among many', () => {
  let gateway: TestGateway;
  let ada: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    ada = await gateway.register();
    // A registration makes counters for each; the trigger of the limits makes those of the limits.
    for (let first = 1; first < CROWD; first += AT_ONCE) await make(first);
    await gateway.dataSource.query('ANALYZE');
  });
  afterAll(() => gateway.close());

  const make = (first: number): Promise<unknown> =>
    gateway.dataSource.query(
      `WITH made AS (
         INSERT INTO users (id, username, username_key)
         SELECT gen_random_uuid(), 'crowd-' || n, 'crowd-' || n FROM generate_series($1::int, $1::int + $2::int - 1) n RETURNING id
       ), keys AS (
         INSERT INTO api_keys (id, user_id, name, key_hash, prefix, last_four)
         SELECT gen_random_uuid(), id, 'key', decode(md5(id::text), 'hex'), 'llmk_', 'abcd' FROM made RETURNING id, user_id
       ), limited AS (
         INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
         SELECT 'user', id, 'tokens', 'month', 1, 'default' FROM made UNION ALL
         SELECT 'key', id, 'tokens', 'month', 1, 'self' FROM keys
       )
       INSERT INTO audit_log (actor_id, action, subject, subject_id)
       SELECT user_id, 'key.created', 'key', id FROM keys UNION ALL
       SELECT id, 'user.changed', 'user', id FROM made`,
      [first, AT_ONCE],
    );

  /** The ways PostgreSQL goes through shared tables that do not lead straight to rows of this account. */
  async function detours(sql: string, values: unknown[]): Promise<string[]> {
    const [row] = await gateway.dataSource.query<[{ 'QUERY PLAN': [{ Plan: Plan }] }]>(
      `EXPLAIN (FORMAT JSON) ${sql}`,
      values,
    );
    return nodesOf(row['QUERY PLAN'][0].Plan)
      .filter((node) => /Scan/.test(node['Node Type']) && (node['Relation Name'] ?? node['Index Name']))
      .filter((node) => node['Node Type'] !== 'Bitmap Heap Scan')
      .filter(({ 'Relation Name': table, 'Index Name': index }) =>
        SHARED.some((shared) => shared === table || index?.startsWith(shared)),
      )
      .filter(({ 'Index Cond': condition = '' }) => !/\b(subject_id|actor_id|user_id|id) = /.test(condition))
      .map((node) => `${node['Node Type']} on ${node['Relation Name'] ?? node['Index Name']}`);
  }

  /** Runs what there is, noting each statement. */
  function noting() {
    const statements: { sql: string; values: unknown[] }[] = [];
    const query = (sql: string, values: unknown[]): Promise<never> => {
      statements.push({ sql, values });
      return gateway.dataSource.query<never>(sql, values);
    };
    return { statements, query };
  }

  it('is found by indexes for an export', async () => {
    const { statements, query } = noting();
    for (const pages of Object.values(accountParts({ query }, ada.id))) {
      for await (const page of pages) expect(page.length).toBeLessThan(100);
    }
    expect(statements.length).toBeGreaterThan(6);
    for (const { sql, values } of statements) {
      expect([sql, await detours(sql, values)]).toEqual([sql, []]);
    }
  });

  it('is found by indexes when its limits go with it', async () => {
    const { statements, query } = noting();
    await deleteLimitsOfUser({ query } as unknown as EntityManager, ada.id);
    expect(statements.length).toBeGreaterThan(0);
    for (const { sql, values } of statements) {
      expect([sql, await detours(sql, values)]).toEqual([sql, []]);
    }
    const left = await gateway.dataSource.query('SELECT count(*)::int AS count FROM limits');
    expect(left).toEqual([{ count: 2 * CROWD }]);
  });
});
