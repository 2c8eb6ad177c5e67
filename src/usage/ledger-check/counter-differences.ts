import type { ClientBase } from 'pg';
import { CounterNameRow, counterNameOf, NAMED_COUNTERS } from './counter-name';
import type { LedgerDifference } from './ledger-difference';

interface CounterRow extends CounterNameRow {
  used: string;
  reserved: string;
  ledger_used: string;
  ledger_reserved: string;
}

const COUNTERS = `
  SELECT w.*, CASE WHEN w.metric = 'concurrent_requests' OR w.period = 'total' THEN 'infinity'
      ELSE limit_window_end(w.period, w.window_start, $1) END AS window_end,
    -- Whole days outlive the records of a dropped partition, as rollups; single minutes and hours do not.
    w.period NOT IN ('minute', 'hour') OR w.window_start = '-infinity'
      OR w.window_start >= day_start($2::date, $1) AS is_known,
    -- What was used before such a counter was there is still to be added to it.
    w.backfill_before >= w.window_start AS is_unfinished
  FROM limit_windows w`;

// What was admitted: settled and still in the ledger, not settled yet, or left as rollups of dropped partitions.
const EVENTS = `
  SELECT user_id, key_id, model, admitted_at AS at, 1 AS requests, prompt_tokens + completion_tokens AS tokens
  FROM usage_records WHERE admitted_at >= day_start($2::date, $1)
  UNION ALL
  SELECT user_id, key_id, model, admitted_at, 1, 0 FROM open_requests
  UNION ALL
  SELECT user_id, key_id, model, day_start(day, $1), requests, prompt_tokens + completion_tokens
  FROM usage_daily WHERE day < $2::date`;

const COUNTER_DIFFERENCES = `
  WITH counters AS MATERIALIZED (${COUNTERS}), events AS (${EVENTS}),
  counted AS (
    SELECT c.id, sum(CASE c.metric WHEN 'tokens' THEN e.tokens ELSE e.requests END) AS used
    FROM events e
    CROSS JOIN LATERAL (VALUES ('user', e.user_id), ('key', e.key_id),
      ('everyone', '00000000-0000-0000-0000-000000000000')) AS p (subject, subject_id)
    JOIN counters c ON c.subject = p.subject AND c.subject_id = p.subject_id
      AND (c.model = '' OR c.model = e.model) AND e.at >= c.window_start AND e.at < c.window_end
    WHERE c.metric <> 'concurrent_requests'
    GROUP BY c.id
  ), held AS (
    SELECT c.id, sum(CASE c.metric WHEN 'tokens' THEN o.reserved ELSE 1 END) AS reserved
    FROM open_requests o CROSS JOIN LATERAL unnest(o.held) AS h (id) JOIN counters c ON c.id = h.id
    -- A window that rolled after the admission has forgotten the reservation.
    WHERE c.window_start <= o.admitted_at
    GROUP BY c.id
  )
  SELECT n.*, f.*
  FROM counters c LEFT JOIN counted USING (id) LEFT JOIN held USING (id)
  CROSS JOIN LATERAL (
    SELECT c.used::text AS used, c.reserved::text AS reserved, coalesce(held.reserved, 0)::text AS ledger_reserved,
      CASE WHEN c.is_unfinished THEN c.used ELSE coalesce(counted.used, 0) END::text AS ledger_used
  ) f
  JOIN (${NAMED_COUNTERS}) n USING (id)
  WHERE c.is_known AND (f.used <> f.ledger_used OR f.reserved <> f.ledger_reserved)
  ORDER BY c.subject, c.subject_id, c.metric, c.period, c.model`;

/**
 * Counters that differ from what they should hold: used in their own window (the past one, of a counter nobody has
 * touched since), and reserved by the open requests that name them.
 * @param wholeFrom the first day whose records are all still there, as YYYY-MM-DD or -infinity
 */
export async function counterDifferences(
  client: ClientBase,
  zone: string,
  wholeFrom: string,
): Promise<LedgerDifference[]> {
  const { rows } = await client.query<CounterRow>(COUNTER_DIFFERENCES, [zone, wholeFrom]);
  return rows.flatMap((row) => [
    ...differenceIn(row, 'used', row.used, row.ledger_used),
    ...differenceIn(row, 'reserved', row.reserved, row.ledger_reserved),
  ]);
}

function differenceIn(row: CounterRow, what: string, counted: string, ledger: string): LedgerDifference[] {
  if (counted === ledger) return [];
  const { subject, counter, window } = counterNameOf(row);
  return [{ subject, metric: `${counter}, ${what},`, window, counted, ledger }];
}
