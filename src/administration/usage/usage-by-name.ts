import { COUNTED_TOGETHER, countedRows, SUMS } from '../../usage/counted-usage';
import type { UsageRange } from '../../usage/usage-range';
import { GROUPINGS } from './usage-groups';
import type { WalkedGroup } from './usage-walk';

/**
 * How far a page looks when few of the names it comes by used what is asked for: names, and daily sums of theirs. The last
 * name is always looked at whole.
 */
export const LOOK_AT = {
  page: { names: 2_000, sums: 15_000 },
  csv: { names: 10_000, sums: 100_000 },
} as const;
/** Of the daily sums of one name; more of them count as so many. */
const COUNT_SUMS = 1_000;

/** With what a range may be added up as a whole for one page: daily sums, and records of its parts of days. */
const FEW = 10_000;

/** What is walked: an index holds the names in this order. As in `reportPage`, whose order it is. */
const NAMES = {
  user: {
    from: 'users n',
    place: `(CASE WHEN n.deleted_at IS NULL THEN left(n.username_key, 100) ELSE '' END COLLATE "C")`,
    ids: [['n.id', 'user_id']],
    whose: 'user_id = next.user_id',
  },
  key: {
    from: 'api_keys n',
    place: '(left(n.name, 100) COLLATE "C")',
    ids: [
      ['n.user_id', 'user_id'],
      ['n.id', 'key_id'],
    ],
    whose: 'user_id = next.user_id AND key_id = next.key_id',
  },
} as const;

/** The place as parameters of `namedPage`. */
export const namedFrom = ({ value, id }: { value: string; id: string }): string[] => [
  value,
  ...id.split('/'),
];

/** The days of which a daily sum may have a part in the range. */
const inRange = (
  zone: string,
  from: string,
  to: string,
) => `day >= (${from}::timestamptz AT TIME ZONE ${zone})::date
          AND day <= ((${to}::timestamptz - interval '1 microsecond') AT TIME ZONE ${zone})::date`;
const IN_RANGE = inRange('$2', '$5', '$8');

/** Whether so little was used in the range that it can be added up for each page; $1 is the time zone. */
export const IS_FEW = `
  SELECT coalesce(sum(CASE WHEN day >= $2::date AND day < $3::date THEN 1 ELSE requests END), 0) <= ${FEW} AS few
  FROM (SELECT day, requests FROM usage_daily WHERE ${inRange('$1', '$4', '$5')} LIMIT ${FEW + 1}) d`;

/** The parameters of IS_FEW. */
export const ofFew = (zone: string, range: UsageRange): unknown[] => [
  zone,
  range.firstDay,
  range.endDay,
  range.from,
  range.to,
];

/**
 * A page of users or named keys of all users in the order of their names, from one name to the next: what each has used
 * in the range is added up, and who used nothing is passed over. The page ends when it is full or has looked far enough;
 * in both cases `bound` is the last name that was looked at.
 *
 * $1 to $10 are those of COUNTED, $11 is how many rows, $12 and $13 are how many names and daily sums are looked at, and
 * $14 and $15 (and $16 for keys) are the place behind which the page begins, unless it is the first.
 */
export function namedPage(
  group: WalkedGroup,
  { isDescending, hasPlace, isPage }: { isDescending: boolean; hasPlace: boolean; isPage: boolean },
): string {
  const { id, joins, shown } = GROUPINGS[group];
  const { from, place, ids, whose } = NAMES[group];
  const [direction, behind] = isDescending ? ['DESC', '<'] : ['ASC', '>'];
  const columns = ids.map(([, name]) => name);
  const after = (row: readonly string[]) =>
    `(${[place, ...ids.map(([column]) => column)].join(', ')}) ${behind} (${row.join(', ')})`;
  const next = (condition: string) => `(
          SELECT ${place} AS place, ${ids.map(([column, name]) => `${column} AS ${name}`).join(', ')}
          FROM ${from} WHERE ${condition}
          ORDER BY ${[place, ...ids.map(([column]) => column)].map((part) => `${part} ${direction}`).join(', ')} LIMIT 1
        ) next CROSS JOIN LATERAL (
          SELECT count(*) AS sums FROM (
            SELECT 1 FROM usage_daily WHERE user_id = next.user_id AND ${IN_RANGE} LIMIT ${COUNT_SUMS}
          ) d
        ) d CROSS JOIN LATERAL (
          SELECT count(*) > 0 AS used, ${SUMS} FROM (${countedRows(`d.sums > 0 AND ${whose}`)}) counted
        ) s`;
  const looked = ['next.place', ...columns.map((name) => `next.${name}`)].join(', ');
  const sums =
    's.used, s.prompt_tokens, s.completion_tokens, s.cached_tokens, s.reasoning_tokens, s.requests';
  // A page has so few rows that theirs need no bound: it would only be shorter.
  const inVain = isPage ? 'CASE WHEN s.used THEN 0 ELSE d.sums END' : 'd.sums';
  const goesOn = 'w.found < $11::bigint AND w.names < $12::bigint AND w.sums < $13::bigint';
  const first = after(['$14::text', ...columns.map((_, index) => `$${15 + index}::uuid`)]);
  return `
    WITH RECURSIVE ${isPage ? `${COUNTED_TOGETHER}, totals AS (SELECT ${SUMS} FROM counted)` : 'totals AS (SELECT NULL)'},
    walk AS (
      SELECT ${looked}, ${sums}, s.used::int AS found, 1 AS names, ${inVain} AS sums
      FROM ${next(hasPlace ? first : 'true')}
      UNION ALL
      SELECT ${looked}, ${sums}, w.found + s.used::int, w.names + 1, w.sums + ${inVain}
      FROM walk w CROSS JOIN LATERAL ${next(after(['w.place', ...columns.map((name) => `w.${name}`)]))}
      WHERE ${goesOn}
    ), bound AS (
      SELECT g.place AS value, ${id} AS id FROM walk g WHERE NOT (${goesOn.replaceAll('w.', 'g.')}) ORDER BY g.names DESC LIMIT 1
    )
    SELECT row_to_json(t) AS totals, row_to_json(b) AS bound, ${id} AS id, g.place, ${shown}, g.prompt_tokens,
      g.completion_tokens, g.cached_tokens, g.reasoning_tokens, g.requests
    FROM totals t LEFT JOIN bound b ON true LEFT JOIN walk g ON g.used ${joins}
    ORDER BY g.names`;
}
