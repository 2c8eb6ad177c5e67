/** One place where what is counted and what the ledger adds up to disagree. */
export interface LedgerDifference {
  /** Whose: `user alice`, `key 0193… of alice`, `everyone`, or `request 0193…`. */
  readonly subject: string;
  /** What of it, such as `tokens/month of any model, used`. */
  readonly metric: string;
  /** The window or day, such as `from 2026-11-01T00:00:00Z`. */
  readonly window: string;
  readonly counted: string;
  readonly ledger: string;
}

/** The difference as one line for people. */
export function differenceLine({ subject, metric, window, counted, ledger }: LedgerDifference): string {
  return `${subject}: ${metric} ${window}: the counter says ${counted}, the ledger says ${ledger}`;
}
