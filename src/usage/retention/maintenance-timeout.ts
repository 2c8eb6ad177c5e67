/** How long a statement that keeps the ledger in shape may take, in milliseconds: none of them is waited for by anybody. */
export const MAINTENANCE_STATEMENT_TIMEOUT_MS = 60_000;
