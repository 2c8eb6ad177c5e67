import type { ClientBase } from 'pg';
import { NO_KEY } from '../counted-usage';
import type { LedgerDifference } from './ledger-difference';

interface LeaderList {
  kind: 'user' | 'key';
  first_day: string;
  end_day: string;
  until: string;
  left_out: string | null;
}

interface LeaderRow {
  user_id: string;
  key_id: string;
  username: string | null;
  counted: string;
  ledger: string;
}

// A list of which a day has changed is not read by anybody.
const LISTS = `
  SELECT kind, first_day::text, end_day::text, until::text, left_out FROM usage_leader_lists
  WHERE NOT EXISTS (SELECT 1 FROM usage_days_changed WHERE day >= first_day AND day < until)
  ORDER BY first_day, end_day, kind`;

// Who is not on the list has what is left out at most.
const LEADER_DIFFERENCES = `
  WITH spent AS (
    SELECT user_id, CASE WHEN $1 = 'key' THEN key_id ELSE '${NO_KEY}' END AS key_id,
      sum(prompt_tokens + completion_tokens) AS tokens
    FROM usage_daily WHERE day >= $2::date AND day < $4::date GROUP BY 1, 2
  ), leaders AS (
    SELECT user_id, key_id, tokens FROM usage_leaders WHERE kind = $1 AND first_day = $2::date AND end_day = $3::date
  )
  SELECT user_id, key_id, u.username, coalesce(leaders.tokens, 0)::text AS counted, coalesce(spent.tokens, 0)::text AS ledger
  FROM leaders FULL JOIN spent USING (user_id, key_id) LEFT JOIN users u ON u.id = user_id
  WHERE leaders.tokens IS DISTINCT FROM spent.tokens AND (leaders.tokens IS NOT NULL OR spent.tokens > coalesce($5::bigint, -1))
  ORDER BY user_id, key_id`;

/** Who is kept as having used most of a month, a year or the last days, or is not, though the daily sums say otherwise. */
export async function leadersDifferences(client: ClientBase): Promise<LedgerDifference[]> {
  const differences: LedgerDifference[] = [];
  const { rows: lists } = await client.query<LeaderList>(LISTS);
  for (const { kind, first_day, end_day, until, left_out } of lists) {
    const values = [kind, first_day, end_day, until, left_out];
    const { rows } = await client.query<LeaderRow>(LEADER_DIFFERENCES, values);
    for (const { user_id, key_id, username, counted, ledger } of rows)
      differences.push({
        subject: `user ${username ?? 'nobody'} (${user_id})`,
        metric:
          kind === 'key'
            ? `tokens by key ${key_id}, in the order of all keys,`
            : 'tokens in the order of all users',
        window: `from ${first_day} until ${until}`,
        counted,
        ledger,
      });
  }
  return differences;
}
