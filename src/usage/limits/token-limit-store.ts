import type { EntityManager } from 'typeorm';
import { amountInForce } from '../../users/amount-in-force';
import type { LimitPeriod } from './limit.entity';

/** The limits of one user on all tokens of one window. */
export interface TokenLimitPair {
  readonly cap: number | null;
  readonly own: number | null;
}

/**
 * Makes everyone who changes this user's limits wait for the end of the transaction, so that what was checked is
 * still true when it is written. Reading, admission and logging in go on.
 * @returns false when there is no such user.
 */
export async function lockUser(manager: EntityManager, userId: string): Promise<boolean> {
  const rows: unknown[] = await manager.query(
    `SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`,
    [userId],
  );
  return rows.length === 1;
}

export async function readTokenLimits(
  manager: EntityManager,
  userId: string,
  period: LimitPeriod,
): Promise<TokenLimitPair> {
  const rows: { cap: string | null; own: string | null }[] = await manager.query(
    `SELECT min(l.amount) FILTER (WHERE l.set_by <> 'self') AS cap, min(l.amount) FILTER (WHERE l.set_by = 'self') AS own
     FROM (
       SELECT set_by, ${amountInForce('limits')} AS amount
       FROM limits
       WHERE subject = 'user' AND subject_id = $1 AND metric = 'tokens' AND period = $2 AND model = ''
     ) l`,
    [userId, period],
  );
  return { cap: toNumber(rows[0]?.cap), own: toNumber(rows[0]?.own) };
}

export async function writeTokenLimit(
  manager: EntityManager,
  limit: { userId: string; period: LimitPeriod; setBy: 'admin' | 'self'; amount: number },
): Promise<void> {
  await manager.query(
    `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
     VALUES ('user', $1, 'tokens', $2, $3, $4)
     ON CONFLICT ON CONSTRAINT limits_one_each DO UPDATE
       SET amount = excluded.amount, temporary_amount = NULL, temporary_until = NULL, updated_at = now()`,
    [limit.userId, limit.period, limit.amount, limit.setBy],
  );
}

export async function deleteTokenLimits(
  manager: EntityManager,
  limits: { userId: string; period: LimitPeriod; setBy: ('default' | 'admin' | 'self')[] },
): Promise<void> {
  await manager.query(
    `DELETE FROM limits WHERE subject = 'user' AND subject_id = $1 AND metric = 'tokens' AND period = $2
       AND model = '' AND set_by = ANY ($3)`,
    [limits.userId, limits.period, limits.setBy],
  );
}

function toNumber(value: string | null | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
