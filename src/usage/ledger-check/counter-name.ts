/** A row of NAMED_COUNTERS. */
export interface CounterNameRow {
  subject: string;
  subject_id: string;
  username: string | null;
  metric: string;
  period: string;
  model: string;
  /** Such as 2026-11-01T00:00:00Z; null from the beginning. */
  window_start: string | null;
}

/** As SQL, what tells people which counter it is, by its id. */
export const NAMED_COUNTERS = `
  SELECT w.id, w.subject, w.subject_id, coalesce(u.username, owner.username) AS username, w.metric, w.period, w.model,
    to_char(w.window_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS window_start
  FROM limit_windows w
  LEFT JOIN users u ON w.subject = 'user' AND u.id = w.subject_id
  LEFT JOIN api_keys k ON w.subject = 'key' AND k.id = w.subject_id
  LEFT JOIN users owner ON owner.id = k.user_id`;

/** Whose it is, such as `user alice (0193…)`, what it counts, such as `tokens/month`, and since when. */
export function counterNameOf(row: CounterNameRow): { subject: string; counter: string; window: string } {
  const name = row.username ?? 'nobody';
  const subject = {
    user: `user ${name} (${row.subject_id})`,
    key: `key ${row.subject_id} of ${name}`,
  }[row.subject];
  return {
    subject: subject ?? row.subject,
    counter: `${row.metric}/${row.period}${row.model ? ` of ${row.model}` : ''}`,
    window: row.window_start ? `from ${row.window_start}` : 'from the beginning',
  };
}
