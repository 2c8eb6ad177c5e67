import type { DataSource, EntityManager } from 'typeorm';
import type { UserCounter } from './user-counters.service';
import { isWithdrawn, WITHDRAWN_AMOUNT } from './withdrawn-default';

/** How many users had which default. */
export interface DefaultsBefore {
  /** null: none. */
  readonly amount: number | null;
  readonly users: number;
}

const IS_DEFAULT = `l.subject = 'user' AND l.metric = $2 AND l.period = $3 AND l.model = '' AND l.set_by = 'default'`;
/** An administrator has decided nothing there: neither an amount nor that there is to be none. */
const WITHOUT_ADMIN = `NOT EXISTS (
  SELECT 1 FROM limits l WHERE l.subject = 'user' AND l.subject_id = u.id AND l.metric = $2 AND l.period = $3
    AND l.model = '' AND l.set_by = 'admin')
  AND NOT EXISTS (
    SELECT 1 FROM default_exemptions e WHERE e.user_id = u.id AND e.metric = $2 AND e.period = $3)`;

/** The next users whom a default concerns, in the order of their ids. */
export async function usersWithDefaultAfter(
  dataSource: DataSource,
  after: string,
  { metric, period, most }: UserCounter & { most: number },
): Promise<string[]> {
  return idsOf(
    await dataSource.query(
      `SELECT u.id FROM users u WHERE u.id > $1 AND u.deleted_at IS NULL AND ${WITHOUT_ADMIN} ORDER BY u.id LIMIT $4`,
      [after, metric, period, most],
    ),
  );
}

/** Of users who are held: those whom the default still concerns; an administrator may have been quicker. */
export async function heldWithDefault(
  manager: EntityManager,
  held: readonly string[],
  { metric, period }: UserCounter,
): Promise<string[]> {
  return idsOf(
    await manager.query(
      `SELECT u.id FROM unnest($1::uuid[]) AS u (id) WHERE ${WITHOUT_ADMIN} ORDER BY u.id`,
      [held, metric, period],
    ),
  );
}

/** Locked until the end of the transaction, so that what the audit log calls "before" is what was there. */
export async function lockDefaults(
  manager: EntityManager,
  userIds: readonly string[],
  { metric, period }: UserCounter,
): Promise<DefaultsBefore[]> {
  const rows: { amount: string | null; users: number }[] = await manager.query(
    `WITH defaults AS MATERIALIZED (
       SELECT l.subject_id, CASE WHEN NOT ${isWithdrawn('l')} THEN l.amount END AS amount
       FROM limits l WHERE ${IS_DEFAULT} AND l.subject_id = ANY ($1::uuid[])
       ORDER BY l.id FOR UPDATE
     )
     SELECT d.amount, count(*)::integer AS users
     FROM unnest($1::uuid[]) AS u (id) LEFT JOIN defaults d ON d.subject_id = u.id
     GROUP BY d.amount ORDER BY d.amount`,
    [userIds, metric, period],
  );
  return rows.map(({ amount, users }) => ({ amount: amount === null ? null : Number(amount), users }));
}

/** What was raised for somebody stays raised until its end: that was said of this person, and the default of nobody. */
export async function putDefaults(
  manager: EntityManager,
  userIds: readonly string[],
  { metric, period, amount }: UserCounter & { amount: number },
): Promise<void> {
  await manager.query(
    `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
     SELECT 'user', u.id, $2, $3, $4, 'default' FROM unnest($1::uuid[]) AS u (id)
     ON CONFLICT ON CONSTRAINT limits_one_each DO UPDATE SET amount = excluded.amount, updated_at = now()`,
    [userIds, metric, period, amount],
  );
}

/** What holds for a while in the place of somebody's default holds until its end; nothing does after it. */
export async function deleteDefaults(
  manager: EntityManager,
  userIds: readonly string[],
  { metric, period }: UserCounter,
): Promise<void> {
  const those = [userIds, metric, period];
  await manager.query(
    `UPDATE limits l SET amount = ${WITHDRAWN_AMOUNT}, updated_at = now()
     WHERE ${IS_DEFAULT} AND l.subject_id = ANY ($1::uuid[]) AND l.temporary_until > now()`,
    those,
  );
  await manager.query(
    `DELETE FROM limits l
     WHERE ${IS_DEFAULT} AND l.subject_id = ANY ($1::uuid[]) AND (l.temporary_until > now()) IS NOT TRUE`,
    those,
  );
}

const idsOf = (rows: { id: string }[]): string[] => rows.map(({ id }) => id);
