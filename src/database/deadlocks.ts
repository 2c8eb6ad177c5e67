import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';

const RETRIES = 4;
const PAUSE_MS = 10;

/**
 * Runs a transaction again when PostgreSQL undid it to end a deadlock.
 *
 * Not at once: whoever was in the way is only being woken, and a row that nobody holds goes to who comes first. Taken
 * back before the other one is awake, it is the same deadlock once more.
 * @throws DatabaseError of the last try; any other error at once
 */
export async function againAfterDeadlocks<T>(transaction: () => Promise<T>): Promise<T> {
  for (let undone = 1; ; undone += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (!isDeadlock(error) || undone > RETRIES) throw error;
      await sleep(PAUSE_MS * undone * (1 + Math.random()));
    }
  }
}

function isDeadlock(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '40P01';
}
