import type { TestGateway } from './gateway';

export interface LedgerRow {
  request_id: string;
  user_id: string;
  key_id: string | null;
  endpoint: string;
  model: string;
  stream: boolean;
  outcome: string;
  source: string;
  status: number;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
  time_to_first_token_ms: number | null;
  duration_ms: number;
}

/** Waits until nothing is open, then gives the ledger rows of a user, oldest first. */
export async function settledRows(
  gateway: TestGateway,
  userId: string,
  withinMs = 30_000,
): Promise<LedgerRow[]> {
  await untilNothingOpen(gateway, withinMs);
  return gateway.dataSource.query<LedgerRow[]>(
    `SELECT request_id, user_id, key_id, endpoint, model, stream, outcome, source, status,
      prompt_tokens::int, cached_tokens::int, completion_tokens::int, reasoning_tokens::int,
      time_to_first_token_ms, duration_ms
     FROM usage_records WHERE user_id = $1 ORDER BY request_id`,
    [userId],
  );
}

export async function untilNothingOpen(gateway: TestGateway, withinMs = 30_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    // Before the look: a machine that stood still since the last one is given another.
    const isLast = Date.now() > deadline;
    const [row] = await gateway.dataSource.query<{ open: number }[]>(
      'SELECT count(*)::int AS open FROM open_requests',
    );
    if (row?.open === 0) return;
    if (isLast) throw new Error(`${row?.open} requests are still open after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What every counter of a user and of its keys says, against what the ledger adds up to: [] when they agree. */
export async function counterDifferences({
  dataSource,
}: Pick<TestGateway, 'dataSource'>): Promise<unknown[]> {
  return dataSource.query<unknown[]>(`
    SELECT w.subject, w.subject_id, w.period, w.used, w.reserved, coalesce(l.tokens, 0) AS ledger
    FROM limit_windows w
    LEFT JOIN LATERAL (
      SELECT sum(prompt_tokens + completion_tokens) AS tokens FROM usage_records r
      WHERE CASE w.subject WHEN 'user' THEN r.user_id = w.subject_id WHEN 'key' THEN r.key_id = w.subject_id
        ELSE true END AND r.admitted_at >= w.window_start
    ) l ON true
    WHERE w.metric = 'tokens' AND (w.used <> coalesce(l.tokens, 0) OR w.reserved <> 0)`);
}
