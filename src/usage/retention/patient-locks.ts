import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { MAINTENANCE_STATEMENT_TIMEOUT_MS } from './maintenance-timeout';

/** Whoever waits for a lock on a table holds up all who come after: so never for longer than this. */
const LOCK_TIMEOUT_MS = 100;
const ATTEMPTS = 10;
const PAUSE_MS = 500;

const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Runs a statement that locks tables, by itself: in a transaction that this process has to end, a pause of it would hold
 * up everybody. It waits for its locks in small portions, so that settlements pass in between.
 * @param end ends the waiting
 * @throws Error when the locks cannot be had after several attempts
 */
export async function withPatientLocks<Row>(
  session: QueryRunner,
  statement: string,
  values: unknown[],
  end: AbortSignal,
): Promise<Row[]> {
  const [before] = (await session.query(LIMITS)) as [Limits];
  // Moving records out of the default partition may take its time.
  await setLimits(session, [`${LOCK_TIMEOUT_MS}ms`, `${MAINTENANCE_STATEMENT_TIMEOUT_MS}ms`]);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await session.query(statement, values)) as Row[];
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE || attempt === ATTEMPTS) throw error;
        await sleep(PAUSE_MS, undefined, { signal: end });
      }
    }
  } finally {
    // Of a connection that has broken nobody needs them.
    await setLimits(session, [before.lock, before.statement]).catch(() => undefined);
  }
}

interface Limits {
  readonly lock: string;
  readonly statement: string;
}

const LIMITS = `
  SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement`;

async function setLimits(session: QueryRunner, values: [lock: string, statement: string]): Promise<void> {
  await session.query(
    `SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)`,
    values,
  );
}
