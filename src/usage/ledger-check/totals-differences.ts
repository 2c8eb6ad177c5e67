import type { ClientBase } from 'pg';
import type { LedgerDifference } from './ledger-difference';

const SUMS = ['requests', 'prompt_tokens', 'cached_tokens', 'completion_tokens', 'reasoning_tokens'] as const;

interface TotalsRow {
  day: string;
  model: string;
  with_key: boolean;
  counted: string[];
  ledger: string[];
}

// What has changed since it was summed is not read by anybody; nor should there be anything of a day that is not closed.
const TOTALS_DIFFERENCES = `
  WITH daily AS (
    SELECT day, model, key_id <> '00000000-0000-0000-0000-000000000000' AS with_key,
      ARRAY[sum(requests), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(reasoning_tokens)] AS sums
    FROM usage_daily WHERE day <= (SELECT closed_until FROM usage_retention)
    GROUP BY 1, 2, 3
  ), totals AS (
    SELECT day, model, with_key,
      ARRAY[requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens]::numeric[] AS sums
    FROM usage_totals
  )
  SELECT day::text, model, with_key, coalesce(totals.sums, '{0,0,0,0,0}')::text[] AS counted,
    coalesce(daily.sums, '{0,0,0,0,0}')::text[] AS ledger
  FROM totals FULL JOIN daily USING (day, model, with_key)
  WHERE totals.sums IS DISTINCT FROM daily.sums AND day NOT IN (SELECT c.day FROM usage_days_changed c)
  ORDER BY day, model, with_key`;

/** Totals of closed days that differ from the daily sums they were added up from. */
export async function totalsDifferences(client: ClientBase): Promise<LedgerDifference[]> {
  const { rows } = await client.query<TotalsRow>(TOTALS_DIFFERENCES);
  return rows.flatMap((row) =>
    SUMS.map((sum, index) => ({
      subject: 'all users',
      metric: `${sum} of ${row.model} ${row.with_key ? 'by keys' : 'with sessions'}`,
      window: `on ${row.day}`,
      counted: row.counted[index] ?? '0',
      ledger: row.ledger[index] ?? '0',
    })).filter(({ counted, ledger }) => counted !== ledger),
  );
}
