import { CountedFilter, countedRows, COUNTS, partsOfDays, SUMS } from '../../usage/counted-usage';
import { LAST_DAYS } from '../../usage/totals/usage-leaders';
import type { UsageRange } from '../../usage/usage-range';
import { IDS } from './usage-by-tokens';
import { GROUPINGS } from './usage-groups';
import type { ReportSort } from './usage-report.dto';
import type { WalkedGroup } from './usage-walk';

/** So many who are not on the list are looked at one by one, since they may be on the page. */
const MOST_OTHERS = 500;

const DAY_MS = 86_400_000;

/** Whether a list may hold what is asked for: who used most of all since a month or a year began, or in the last days. */
export const mayHaveLeaders = ({
  sort,
  filter,
  range,
}: {
  sort: ReportSort;
  filter: CountedFilter;
  range: UsageRange;
}): boolean =>
  sort === '-tokens' &&
  Object.values(filter).every((value) => value === undefined) &&
  range.from.getTime() === range.firstDayStart.getTime() &&
  (range.firstDay.endsWith('-01') || mayBeLastDays(range));

/** Whether the range may end within the last of so many days. */
function mayBeLastDays({ firstDay, endDay }: UsageRange): boolean {
  const days = (Date.parse(endDay) - Date.parse(firstDay)) / DAY_MS;
  return LAST_DAYS.some((length) => days === length || days === length - 1);
}

/**
 * A page of `mostUsedPage` in descending order, from the leaders that are kept of a month or year, or of the last days,
 * and what was used since they were. `is_exact` says whether it is that page: else somebody may belong there who is not on
 * the list, and all have to be added up. The parameters are the same.
 *
 * Whoever is not on the list comes behind all who are, and used at most `left_out` until then. What was used since changes
 * that for those alone who used so much (`least`) that they may have as much as the last one of the page. They are few, and
 * are added up as well.
 */
export function leadersPage(
  group: WalkedGroup,
  { hasPlace, endsWithinDay }: { hasPlace: boolean; endsWithinDay: boolean },
): string {
  const { id, joins, shown } = GROUPINGS[group];
  const { ids, placed, whose } = IDS[group];
  const by = ids.join(', ');
  const order = (row: string) => ['place', ...ids].map((column) => `${row}.${column} DESC`).join(', ');
  const behind = hasPlace ? `(place, ${by}) < ($12::numeric, ${placed})` : 'true';
  const ofDays = `SELECT ${by}, tokens FROM list CROSS JOIN LATERAL tokens_by_${group}(until, $4::date)`;
  // Whole days are added up already; doing so again takes as long as the first time.
  const since = endsWithinDay
    ? `SELECT ${by}, total_of(tokens) AS tokens FROM (
        ${ofDays}
        UNION ALL SELECT ${by}, prompt_tokens + completion_tokens FROM (${partsOfDays('true')}) parts
      ) counted GROUP BY ${by}`
    : ofDays;
  // On the first page leaders only rise: whoever has less than this since cannot reach it. It spares keeping all the others.
  const floor = hasPlace
    ? '0'
    : `coalesce((
        SELECT place - coalesce((SELECT left_out FROM list), 0) FROM leaders l
        ORDER BY ${order('l')} OFFSET $11::bigint - 1 LIMIT 1
      ), 0)`;
  return `
    WITH list AS MATERIALIZED (
      SELECT end_day, until, left_out FROM usage_leader_lists CROSS JOIN usage_retention
      WHERE kind = '${group}' AND first_day = $3::date AND until <= $4::date AND until <= closed_until + 1
        AND $8::timestamptz <= day_start(end_day, $2)
        AND NOT EXISTS (SELECT 1 FROM usage_days_changed c WHERE c.day >= first_day AND c.day < until)
      ORDER BY until DESC LIMIT 1
    ), totals AS (
      -- The days of a list have totals.
      SELECT ${SUMS} FROM (
        SELECT ${COUNTS.join(', ')} FROM usage_totals
        WHERE day >= $3::date AND day < (SELECT until FROM list)
        UNION ALL
        SELECT u.prompt_tokens, u.completion_tokens, u.cached_tokens, u.reasoning_tokens, u.requests
        FROM list l CROSS JOIN LATERAL generate_series(0, $4::date - l.until - 1) AS i
          CROSS JOIN LATERAL usage_of_day(l.until + i, NULL, NULL) u
        UNION ALL
        SELECT ${COUNTS.join(', ')} FROM (${partsOfDays('true')}) parts
      ) counted
    ), leaders AS NOT MATERIALIZED (
      SELECT tokens AS place, ${by} FROM usage_leaders
      WHERE kind = '${group}' AND first_day = $3::date AND end_day = (SELECT end_day FROM list)
    ), since AS MATERIALIZED (
      SELECT ${by}, s.tokens, l.place FROM (${since}) s LEFT JOIN leaders l USING (${by})
      WHERE l.place IS NOT NULL OR tokens >= ${floor}
    ), grown AS MATERIALIZED (
      SELECT place + tokens AS place, ${by} FROM since WHERE place IS NOT NULL
    ), known AS MATERIALIZED (
      SELECT * FROM (
        SELECT place, ${by} FROM grown
        UNION ALL
        -- In the order of the index, which a join would not keep.
        (SELECT place, ${by} FROM leaders g WHERE (${by}) NOT IN (SELECT ${by} FROM grown) AND ${behind}
        ORDER BY ${order('g')} LIMIT $11::bigint)
      ) g
      WHERE ${behind} ORDER BY ${order('g')} LIMIT $11::bigint
    ), reached AS MATERIALIZED (
      SELECT count(*) = $11::bigint AS is_full,
        CASE WHEN count(*) = $11::bigint THEN min(place) - coalesce((SELECT left_out FROM list), 0) ELSE 0 END AS least
      FROM known
    ), others AS MATERIALIZED (
      SELECT ${by} FROM since
      WHERE place IS NULL AND tokens >= (SELECT least FROM reached)
      LIMIT ${MOST_OTHERS + 1}
    ), verdict AS MATERIALIZED (
      SELECT (is_full OR left_out IS NULL) AND (SELECT count(*) FROM others) <= ${MOST_OTHERS} AS is_exact
      FROM list CROSS JOIN reached
    ), page AS MATERIALIZED (
      SELECT * FROM (
        SELECT g.*, s.*, s.prompt_tokens + s.completion_tokens AS place
        FROM (SELECT ${by} FROM known UNION ALL SELECT ${by} FROM others) g
        CROSS JOIN LATERAL (SELECT ${SUMS} FROM (${countedRows(whose)}) counted) s
        WHERE (SELECT is_exact FROM verdict)
      ) g
      WHERE ${behind} ORDER BY ${order('g')} LIMIT $11::bigint
    )
    SELECT coalesce((SELECT is_exact FROM verdict), false) AS is_exact, row_to_json(t) AS totals, ${id} AS id,
      g.place::text AS place, ${shown}, g.prompt_tokens, g.completion_tokens, g.cached_tokens, g.reasoning_tokens, g.requests
    FROM totals t LEFT JOIN page g ON true ${joins}
    ORDER BY ${order('g')}`;
}
