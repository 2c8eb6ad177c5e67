import type { DataSource } from 'typeorm';
import { ApiException } from '../common/api.exception';
import { LAST_INSTANT } from '../common/last-instant';
import { isDay, momentParameters } from './moment';

/** [from, to), with the whole days inside it: those come from the rollups, the rest from the ledger. */
export interface UsageRange {
  readonly from: Date;
  readonly to: Date;
  /** [firstDay, endDay) as dates in LIMITS_TIME_ZONE; empty when firstDay is not before endDay. */
  readonly firstDay: string;
  readonly endDay: string;
  /** The instants at which these two days begin. */
  readonly firstDayStart: Date;
  readonly endDayStart: Date;
}

const MAX_DAYS = 366;
// A range of whole days may hold an hour more where clocks change.
const MAX_RANGE_MS = (MAX_DAYS * 24 + 1) * 3_600_000;

// Calendar arithmetic is left to PostgreSQL, whose rules also say which day a settlement belongs to.
const RESOLVE = `
  WITH given AS (
    SELECT coalesce($2::timestamptz, day_start($3::date, $1)) AS "from",
      coalesce($4::timestamptz,
        CASE WHEN $5::date IS NOT NULL THEN least(day_start($5::date + 1, $1), '${LAST_INSTANT}') END) AS "to"
  ), chosen AS (
    SELECT coalesce("from", limit_window_start('month', coalesce("to" - interval '1 millisecond', now()), $1)) AS "from",
      coalesce("to", limit_window_end('month', now(), $1)) AS "to"
    FROM given
  ), days AS (
    SELECT "from", "to", ("to" AT TIME ZONE $1)::date AS end_day,
      ("from" AT TIME ZONE $1)::date + ("from" > limit_window_start('day', "from", $1))::integer AS first_day
    FROM chosen
  )
  SELECT "from", "to", first_day::text, end_day::text,
    day_start(first_day, $1) AS first_day_start, day_start(end_day, $1) AS end_day_start
  FROM days`;

interface RangeRow {
  from: Date;
  to: Date;
  first_day: string;
  end_day: string;
  first_day_start: Date;
  end_day_start: Date;
}

/**
 * A day as `to` is included whole; an instant is not. The default is the calendar month: the current one, or the
 * one `to` lies in.
 * @throws ApiException 400 when from is after to, 422 when the range is longer than 366 days.
 */
export async function resolveRange(
  dataSource: DataSource,
  zone: string,
  query: { from?: string; to?: string },
): Promise<UsageRange> {
  const rows: RangeRow[] = await dataSource.query(RESOLVE, [
    zone,
    ...momentParameters(query.from),
    ...momentParameters(query.to),
  ]);
  const row = rows[0];
  if (!row) throw new Error('the range query answered no row');
  checkRange(row, query);
  return {
    from: row.from,
    to: row.to,
    firstDay: row.first_day,
    endDay: row.end_day,
    firstDayStart: row.first_day_start,
    endDayStart: row.end_day_start,
  };
}

/**
 * @param query what the range was made of
 * @throws ApiException 400 when from is after to, 422 when the range is longer than 366 days.
 */
export function checkRange(
  { from, to }: { from: Date; to: Date },
  query: { from?: string; to?: string },
): void {
  if (from > to || areReversed(query)) {
    throw new ApiException({
      status: 400,
      code: 'invalid_request',
      param: 'from',
      message:
        query.to === undefined
          ? 'from must not be after the end of this month, with which the range ends unless to is sent.'
          : 'from must not be after to.',
    });
  }
  if (to.getTime() - from.getTime() > MAX_RANGE_MS) {
    throw new ApiException({
      status: 422,
      code: 'range_too_long',
      param: 'from',
      message: `The range from ${from.toISOString()} to ${to.toISOString()} is longer than ${MAX_DAYS} days; ask for it in parts.`,
    });
  }
}

/** Of days the instants do not tell: the day after `to` begins when `to` is over. */
function areReversed({ from = '', to = '' }: { from?: string; to?: string }): boolean {
  return isDay(from) && isDay(to) && from > to;
}
