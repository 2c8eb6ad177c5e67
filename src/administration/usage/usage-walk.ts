import { COUNTED_TOGETHER, countedRows, NO_KEY, SUMS } from '../../usage/counted-usage';
import type { UsageRange } from '../../usage/usage-range';
import { GROUPINGS } from './usage-groups';

/** Groups that are kept in the order of their ids. */
export type WalkedGroup = 'user' | 'key';

/**
 * How many entries of the index, a user on a day each, are looked at when nobody knows how many are needed. The fewer of a
 * day, the more of the others' are in vain: of 27 users of each of 365 days less than half, of 109 two thirds count.
 */
const LOOK_AT = { page: 2_000, csv: 40_000 } as const;
/** Said in full, for there is an index of these daily sums alone. */
const OF_SESSIONS = `AND key_id = '${NO_KEY}'`;
/** Of daily sums and of records, which have no key then. */
const COUNTED_OF_SESSIONS = `AND coalesce(key_id, '${NO_KEY}') = '${NO_KEY}'`;
const DAY_MS = 86_400_000;
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** How far a page looks: users on each day, and users in the end; null: all that were looked at. */
export interface Reach {
  readonly ofEachDay: number;
  readonly users: number | null;
}

/**
 * @param limit groups of a page; null: of a CSV, which takes what it gets
 * @param isFiltered whether somebody who used something in the range may yet have no part in the sums
 */
export function reachOf(range: UsageRange, limit: number | null, isFiltered: boolean): Reach {
  const days = Math.ceil((range.to.getTime() - range.from.getTime()) / DAY_MS) + 1;
  // One for whom the cursor stands, who may have no more keys, and one to know that more come.
  const users = (limit ?? 0) + 2;
  const hasParts = range.from < range.firstDayStart || range.endDayStart < range.to;
  if (limit !== null && !isFiltered && !hasParts) return { ofEachDay: users, users };
  return {
    ofEachDay: Math.max(users, Math.floor(LOOK_AT[limit === null ? 'csv' : 'page'] / days)),
    users: null,
  };
}

/** The place behind all in ascending order, and before all in descending. */
export const behindAll = (group: WalkedGroup): string =>
  group === 'user' ? LAST_ID : `${LAST_ID}/${LAST_ID}`;

/** The place behind a user whom the walk has looked at, and all of whose keys. */
export const behindUser = (group: WalkedGroup, user: string, isDescending: boolean): string =>
  group === 'user' ? user : `${user}/${isDescending ? NO_KEY : LAST_ID}`;

/** Of a group's id: the user, and the key; those before all when there is none. */
export function walkedFrom(group: WalkedGroup, id: string | undefined, isDescending: boolean): string[] {
  const start = isDescending ? LAST_ID : NO_KEY;
  const [user = start, key = start] = id?.split('/') ?? [];
  return group === 'user' ? [user] : [user, key];
}

/**
 * A page of users or keys of all users in the order of their ids. Each day has its users in their order, in an index; so
 * the next ones of all days are among the next ones of each. Only these are summed, user by user, and nobody else is
 * looked at: neither users who did nothing, nor those of other pages. A day that has more users than were looked at ends
 * the page at the last of them, which is `bound`.
 *
 * $1 to $10 are those of COUNTED, $11 is how many rows, $12 and $13 are the reach, and $14 (and $15 for keys) are the
 * place behind which the page begins.
 *
 * @param ofSessions whether only what was used with sessions is on the page
 */
export function walkedPage(
  group: WalkedGroup,
  {
    isDescending,
    ofSessions,
    withTotals,
  }: { isDescending: boolean; ofSessions: boolean; withTotals: boolean },
): string {
  const { id, joins, shown } = GROUPINGS[group];
  const [direction, behind] = isDescending ? ['DESC', '<'] : ['ASC', '>'];
  const { from, summed, order } =
    group === 'user'
      ? {
          from: `user_id ${behind} $14::uuid`,
          summed: (rows: string) => `SELECT ${SUMS} FROM ${rows} GROUP BY user_id`,
          order: (user: string) => `${user}.user_id ${direction}`,
        }
      : {
          from: `user_id ${behind}= $14::uuid`,
          summed: (rows: string) => `SELECT key_id, ${SUMS} FROM ${rows}
        WHERE (user_id, key_id) ${behind} ($14::uuid, $15::uuid) GROUP BY key_id`,
          order: (user: string) => `${user}.user_id ${direction}, key_id ${direction}`,
        };
  return `
    WITH ${withTotals ? `${COUNTED_TOGETHER}, totals AS (SELECT ${SUMS} FROM counted)` : 'totals AS (SELECT NULL)'},
    looked_at AS MATERIALIZED (
      SELECT u.user_id, u.n FROM (
        SELECT ($5::timestamptz AT TIME ZONE $2)::date + i AS day
        FROM generate_series(0, (($8::timestamptz - interval '1 microsecond') AT TIME ZONE $2)::date
          - ($5::timestamptz AT TIME ZONE $2)::date) AS i
      ) d CROSS JOIN LATERAL (
        SELECT user_id, row_number() OVER (ORDER BY user_id ${direction}) AS n FROM (
          SELECT DISTINCT user_id FROM usage_daily WHERE day = d.day AND ${from} ${ofSessions ? OF_SESSIONS : ''}
          ORDER BY user_id ${direction} LIMIT $12::bigint
        ) next
      ) u
    ), bound AS MATERIALIZED (
      SELECT user_id FROM looked_at WHERE n = $12 ORDER BY user_id ${direction} LIMIT 1
    ), page AS MATERIALIZED (
      SELECT p.user_id, s.* FROM (
        SELECT DISTINCT user_id FROM looked_at
        WHERE NOT EXISTS (SELECT 1 FROM bound b WHERE looked_at.user_id ${behind} b.user_id)
        ORDER BY user_id ${direction} LIMIT $13::bigint
      ) p CROSS JOIN LATERAL (
        ${summed(`(${countedRows(`user_id = p.user_id ${ofSessions ? COUNTED_OF_SESSIONS : ''}`)}) counted`)}
      ) s
      ORDER BY ${order('p')} LIMIT $11::bigint
    )
    SELECT row_to_json(t) AS totals, (SELECT user_id FROM bound) AS bound, ${id} AS id, '' AS place, ${shown},
      g.prompt_tokens, g.completion_tokens, g.cached_tokens, g.reasoning_tokens, g.requests
    FROM totals t LEFT JOIN page g ON true ${joins}
    ORDER BY ${order('g').replace(', key_id', ', g.key_id')}`;
}
