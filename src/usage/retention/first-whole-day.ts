import type { ClientBase } from 'pg';

// A record lies in the month in which its request arrived, by the clock of a replica; it was admitted up to an hour later.
const WHOLE_SINCE = `kept_from + interval '1 hour'`;

/**
 * As SQL over usage_retention, the first day in a time zone whose records are all still there; earlier ones may have been
 * dropped with their month, and only their rollups are left. -infinity when nothing was ever dropped.
 */
export const firstWholeDayIn = (
  zone: string,
): string => `CASE WHEN kept_from = '-infinity' THEN '-infinity'::date
  ELSE ((${WHOLE_SINCE}) AT TIME ZONE ${zone} + interval '1 day - 1 microsecond')::date END`;

/** @returns such as 2026-11-01, or -infinity */
export async function firstWholeDay(client: ClientBase, zone: string): Promise<string> {
  const { rows } = await client.query<{ day: string }>(
    `SELECT (${firstWholeDayIn('$1')})::text AS day FROM usage_retention`,
    [zone],
  );
  return rows[0]?.day ?? '-infinity';
}
