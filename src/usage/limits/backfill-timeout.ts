/** How long what was used before a new counter may take to be added up, in milliseconds: in minutes a year of a large ledger. */
export const BACKFILL_STATEMENT_TIMEOUT_MS = 600_000;
