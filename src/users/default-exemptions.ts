import type { EntityManager } from 'typeorm';

/** A counter over all models, as every default is. */
interface DefaultCounter {
  readonly userId: string;
  readonly metric: string;
  readonly period: string;
}

/** Remembers that an administrator wants no limit there, so that a default set later leaves the user alone. */
export async function exemptFromDefault(
  manager: EntityManager,
  { userId, metric, period }: DefaultCounter,
): Promise<void> {
  await manager.query(
    `INSERT INTO default_exemptions (user_id, metric, period) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
    [userId, metric, period],
  );
}

/** For an administrator who sets an amount there again. */
export async function endExemption(
  manager: EntityManager,
  { userId, metric, period }: DefaultCounter,
): Promise<void> {
  await manager.query(`DELETE FROM default_exemptions WHERE user_id = $1 AND metric = $2 AND period = $3`, [
    userId,
    metric,
    period,
  ]);
}

export async function deleteExemptionsOf(manager: EntityManager, userId: string): Promise<void> {
  await manager.query(`DELETE FROM default_exemptions WHERE user_id = $1`, [userId]);
}
