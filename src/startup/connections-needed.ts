import type { Env } from '../config/env';
import { REPORTS_AT_A_TIME } from '../database/report-statements';

/** How many connections to PostgreSQL this gateway may open, over all of its workers. */
export function connectionsNeeded({ workers, DATABASE_POOL_SIZE }: Env): number {
  return workers * (DATABASE_POOL_SIZE + REPORTS_AT_A_TIME);
}

/**
 * One sentence when the server has fewer: requests fail only once there are many. Null when it has enough.
 * @param embedded whether the server allows as many as the gateway needed that started it
 */
export function connectionShortage(env: Env, available: number, embedded: boolean): string | null {
  const needed = connectionsNeeded(env);
  if (needed <= available) return null;
  const sum = `${env.workers} worker(s) with DATABASE_POOL_SIZE ${env.DATABASE_POOL_SIZE} and ${REPORTS_AT_A_TIME} for reports each`;
  return (
    `the database allows ${available} connections to its user, and this gateway may open ${needed} (${sum}): ` +
    `set DATABASE_POOL_SIZE or WORKERS lower, or ${embedded ? 'start this one before the others of its folder' : 'max_connections higher'}`
  );
}
