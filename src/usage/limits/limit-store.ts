import type { EntityManager } from 'typeorm';
import { deleteExemptionsOf, endExemption } from '../../users/default-exemptions';
import type { PutLimit } from './dto/limit.dto';
import type { Limit } from './limit.entity';
import type { CounterName } from './limit-counters.service';

/** The subject id of what concerns all users. */
export const EVERYONE = '00000000-0000-0000-0000-000000000000';

export interface LimitRow {
  id: string;
  subject: Limit['subject'];
  subject_id: string;
  metric: Limit['metric'];
  period: Limit['period'];
  model: string;
  amount: string;
  temporary_amount: string | null;
  temporary_until: Date | null;
  set_by: Limit['setBy'];
  created_at: Date;
  updated_at: Date;
}

/** Concurrent requests have no window; their one counter is kept as total. */
export function counterOf(limit: PutLimit): CounterName {
  return {
    subject: limit.subject,
    subjectId: limit.subject_id ?? EVERYONE,
    metric: limit.metric,
    period: limit.metric === 'concurrent_requests' ? 'total' : (limit.window ?? 'total'),
    model: limit.model ?? '',
  };
}

/** Locked until the end of the transaction, so that what the audit log calls "before" is what was there. */
export async function lockLimit(manager: EntityManager, id: string): Promise<LimitRow | undefined> {
  const rows: LimitRow[] = await manager.query(`SELECT * FROM limits WHERE id = $1 FOR UPDATE`, [id]);
  return rows[0];
}

/** Taken in the place of a row, of which everyone has none. */
const EVERYONE_LOCK = '7311823310495028004';

/** Held until the end of the transaction: of two who set the first limit there, the second sees that of the first. */
export async function subjectExists(
  manager: EntityManager,
  subject: Limit['subject'],
  subjectId: string,
): Promise<boolean> {
  if (subject === 'everyone') {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [EVERYONE_LOCK]);
    return true;
  }
  const rows: unknown[] = await manager.query(
    subject === 'user'
      ? `SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`
      : `SELECT 1 FROM api_keys WHERE id = $1 AND revoked_at IS NULL FOR NO KEY UPDATE`,
    [subjectId],
  );
  return rows.length > 0;
}

/**
 * An admin's limit takes the place of the default one, of what was raised for a while, and of an exemption from the
 * default; a user's own stays beside it.
 */
export async function putAdminLimit(
  manager: EntityManager,
  counter: CounterName,
  amount: number,
): Promise<{ before: LimitRow[]; after: LimitRow }> {
  const name = [counter.subject, counter.subjectId, counter.metric, counter.period, counter.model];
  if (counter.subject === 'user' && counter.model === '') {
    const { subjectId: userId, metric, period } = counter;
    await endExemption(manager, { userId, metric, period });
  }
  const before: LimitRow[] = await manager.query(
    `SELECT * FROM limits WHERE subject = $1 AND subject_id = $2 AND metric = $3 AND period = $4 AND model = $5
       AND set_by <> 'self' FOR UPDATE`,
    name,
  );
  await manager.query(
    `DELETE FROM limits WHERE subject = $1 AND subject_id = $2 AND metric = $3 AND period = $4 AND model = $5
       AND set_by = 'default'`,
    name,
  );
  const after: LimitRow[] = await manager.query(
    `INSERT INTO limits (subject, subject_id, metric, period, model, amount, set_by)
     VALUES ($1, $2, $3, $4, $5, $6, 'admin')
     ON CONFLICT ON CONSTRAINT limits_one_each DO UPDATE
       SET amount = excluded.amount, temporary_amount = NULL, temporary_until = NULL, updated_at = now()
     RETURNING *`,
    [...name, amount],
  );
  return { before, after: after[0] as LimitRow };
}

export async function setTemporaryAmount(
  manager: EntityManager,
  id: string,
  temporary: { amount: number; until: Date } | null,
): Promise<LimitRow> {
  // TypeORM answers an UPDATE with [rows, count].
  const [rows]: [LimitRow[], number] = await manager.query(
    `UPDATE limits SET temporary_amount = $2, temporary_until = $3, updated_at = now() WHERE id = $1 RETURNING *`,
    [id, temporary?.amount ?? null, temporary?.until ?? null],
  );
  return rows[0] as LimitRow;
}

/** For a user who is deleted, whose row and keys are held: what was counted stays. */
export async function deleteLimitsOfUser(manager: EntityManager, userId: string): Promise<void> {
  // An array and not a subquery, which under OR is asked of every limit there is.
  await manager.query(
    `DELETE FROM limits
     WHERE subject = 'user' AND subject_id = $1
       OR subject = 'key' AND subject_id = ANY (ARRAY (SELECT id FROM api_keys WHERE user_id = $1))`,
    [userId],
  );
  await deleteExemptionsOf(manager, userId);
}

export async function deleteLimit(manager: EntityManager, id: string): Promise<void> {
  await manager.query(`DELETE FROM limits WHERE id = $1`, [id]);
}
