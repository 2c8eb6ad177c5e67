import type { DataSource } from 'typeorm';
import { LAST_INSTANT } from '../common/last-instant';
import { momentParameters } from './moment';
import { checkRange } from './usage-range';

/** [from, to) */
export interface RecentRange {
  readonly from: Date;
  readonly to: Date;
}

// A minute of slack: the database writes the times, and what has just happened belongs to "until now".
const RESOLVE = `
  WITH given AS (
    SELECT coalesce($2::timestamptz, day_start($3::date, $1)) AS "from",
      coalesce($4::timestamptz,
        CASE WHEN $5::date IS NOT NULL THEN least(day_start($5::date + 1, $1), '${LAST_INSTANT}') END) AS "to"
  )
  SELECT coalesce("from", coalesce("to", now()) - interval '366 days') AS "from",
    coalesce("to", greatest("from", now() + interval '1 minute')) AS "to"
  FROM given`;

/**
 * A day as `to` is included whole; an instant is not.
 * @throws ApiException 400 when from is after to, 422 when the range is longer than 366 days.
 */
export async function resolveRecentRange(
  dataSource: DataSource,
  zone: string,
  { from, to }: { from?: string; to?: string },
): Promise<RecentRange> {
  const parameters = [zone, ...momentParameters(from), ...momentParameters(to)];
  const [range] = await dataSource.query<[RecentRange]>(RESOLVE, parameters);
  checkRange(range, { from, to });
  return range;
}
