import type { ClientBase } from 'pg';
import type { LedgerDifference } from './ledger-difference';

const SUMS = ['requests', 'prompt_tokens', 'cached_tokens', 'completion_tokens', 'reasoning_tokens'] as const;

type DailyRow = Record<'day' | 'user_id' | 'key_id' | 'model', string> & {
  username: string | null;
  counted: string[];
  ledger: string[];
};

const DAILY_DIFFERENCES = `
  WITH ledger AS (
    SELECT (admitted_at AT TIME ZONE $1)::date AS day, user_id,
      coalesce(key_id, '00000000-0000-0000-0000-000000000000') AS key_id, model,
      ARRAY[count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(reasoning_tokens)] AS sums
    FROM usage_records WHERE admitted_at >= day_start($2::date, $1)
    GROUP BY 1, 2, 3, 4
  ), daily AS (
    SELECT day, user_id, key_id, model,
      ARRAY[requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens]::numeric[] AS sums
    FROM usage_daily WHERE day >= $2::date
  )
  SELECT day::text, user_id, key_id, model, u.username,
    coalesce(daily.sums, '{0,0,0,0,0}')::text[] AS counted, coalesce(ledger.sums, '{0,0,0,0,0}')::text[] AS ledger
  FROM daily FULL JOIN ledger USING (day, user_id, key_id, model) LEFT JOIN users u ON u.id = user_id
  WHERE daily.sums IS DISTINCT FROM ledger.sums
  ORDER BY day, user_id, key_id, model`;

/**
 * Rows of the daily rollup that differ from the sums of their day's records, in the time zone of the limits.
 * @param wholeFrom the first day whose records are all still there, as YYYY-MM-DD or -infinity
 */
export async function dailyDifferences(
  client: ClientBase,
  zone: string,
  wholeFrom: string,
): Promise<LedgerDifference[]> {
  const { rows } = await client.query<DailyRow>(DAILY_DIFFERENCES, [zone, wholeFrom]);
  return rows.flatMap((row) =>
    SUMS.map((sum, index) => ({
      subject: `user ${row.username ?? 'nobody'} (${row.user_id})`,
      metric: `${sum} of ${row.model} by key ${row.key_id}`,
      window: `on ${row.day}`,
      counted: row.counted[index] ?? '0',
      ledger: row.ledger[index] ?? '0',
    })).filter(({ counted, ledger }) => counted !== ledger),
  );
}
