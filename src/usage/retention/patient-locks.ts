import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { MAINTENANCE_STATEMENT_TIMEOUT_MS } from './maintenance-timeout';

/** Whoever waits for a lock on a table holds up all who come after: so never for longer than this. */
const LOCK_TIMEOUT_MS = 100;
const ATTEMPTS = 10;
const PAUSE_MS = 500;

const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Runs a statement that locks tables in a transaction of its own. It waits for its locks in small portions, so that
 * settlements pass in between.
 * @param end ends the waiting
 * @throws Error when the locks cannot be had after several attempts
 */
export async function withPatientLocks<Row>(
  session: QueryRunner,
  statement: string,
  values: unknown[],
  end: AbortSignal,
): Promise<Row[]> {
  for (let attempt = 1; ; attempt += 1) {
    await session.startTransaction();
    try {
      await session.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      // Moving records out of the default partition may take its time.
      await session.query(`SET LOCAL statement_timeout = ${MAINTENANCE_STATEMENT_TIMEOUT_MS}`);
      const rows = (await session.query(statement, values)) as Row[];
      await session.commitTransaction();
      return rows;
    } catch (error) {
      await session.rollbackTransaction();
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE || attempt === ATTEMPTS) throw error;
      await sleep(PAUSE_MS, undefined, { signal: end });
    }
  }
}
