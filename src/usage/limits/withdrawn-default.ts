import type { LimitRow } from './limit-store';

/**
 * What a default comes to that is taken away while a temporary amount holds in its place: the largest a limit may have. So
 * the temporary amount, which was said of this person, holds until its end, and nothing does after it; admission knows no
 * row that limits nothing. Retention clears the row away then.
 */
export const WITHDRAWN_AMOUNT = Number.MAX_SAFE_INTEGER;

/** Whether a row of `limits` is such a default, as SQL; its end is what tells it from a default of that amount. */
export function isWithdrawn(row: string): string {
  return `(${row}.set_by = 'default' AND ${row}.amount = ${WITHDRAWN_AMOUNT} AND ${row}.temporary_until IS NOT NULL)`;
}

/** The same of a row that was read. */
export function isWithdrawnRow(row: LimitRow): boolean {
  return row.set_by === 'default' && Number(row.amount) === WITHDRAWN_AMOUNT && row.temporary_until !== null;
}
