import type { ClientBase } from 'pg';

/**
 * The first day, in a time zone, whose records are all still there; earlier ones may have been dropped with their month,
 * and only their rollups are left.
 * @returns such as 2026-11-01, or -infinity when nothing was ever dropped
 */
export async function firstWholeDay(client: ClientBase, zone: string): Promise<string> {
  const { rows } = await client.query<{ day: string }>(
    `SELECT CASE WHEN kept_from = '-infinity' THEN '-infinity'
       ELSE (kept_from AT TIME ZONE $1 + interval '1 day - 1 microsecond')::date::text END AS day FROM usage_retention`,
    [zone],
  );
  return rows[0]?.day ?? '-infinity';
}
