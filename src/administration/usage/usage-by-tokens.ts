import { COUNTED_TOGETHER, countedRows, NO_KEY, SUMS } from '../../usage/counted-usage';
import { GROUPINGS } from './usage-groups';
import type { WalkedGroup } from './usage-walk';

/** A group by its ids, whose order is that of `Grouping.id` as text; $13 and $14 are those behind which a page begins. */
export const IDS = {
  user: { ids: ['user_id'], placed: '$13::uuid', whose: 'user_id = g.user_id' },
  key: {
    ids: ['user_id', 'key_id'],
    placed: '$13::uuid, $14::uuid',
    whose: `user_id = g.user_id AND coalesce(key_id, '${NO_KEY}') = g.key_id`,
  },
} as const;

/** The place as parameters of `mostUsedPage` and `leadersPage`. */
export const mostUsedFrom = ({ value, id }: { value: string; id: string }): string[] => [
  value,
  ...id.split('/'),
];

/**
 * A page of the users or keys of all users in the order of their tokens. Where no such order is kept the tokens of all are
 * added up; all else is added up for the page alone, in a third of the time of all. $1 to $10 are those of COUNTED, $11
 * is how many rows, and from $12 on is the place behind which the page begins.
 */
export function mostUsedPage(
  group: WalkedGroup,
  { isDescending, hasPlace, withTotals }: { isDescending: boolean; hasPlace: boolean; withTotals: boolean },
): string {
  const { id, joins, shown } = GROUPINGS[group];
  const { ids, placed, whose } = IDS[group];
  const [direction, behind] = isDescending ? ['DESC', '<'] : ['ASC', '>'];
  const by = ids.join(', ');
  const order = (row: string) =>
    ['place', ...ids].map((column) => `${row}.${column} ${direction}`).join(', ');
  return `
    WITH ${withTotals ? `${COUNTED_TOGETHER}, totals AS (SELECT ${SUMS} FROM counted)` : 'totals AS (SELECT NULL)'},
    page AS MATERIALIZED (
      SELECT * FROM (
        SELECT ${by}, total_of(prompt_tokens + completion_tokens) AS place FROM (${countedRows()}) spent GROUP BY ${by}
      ) p
      ${hasPlace ? `WHERE (place, ${by}) ${behind} ($12::numeric, ${placed})` : ''}
      ORDER BY ${order('p')} LIMIT $11::bigint
    )
    SELECT row_to_json(t) AS totals, ${id} AS id, g.place::text AS place, ${shown},
      g.prompt_tokens, g.completion_tokens, g.cached_tokens, g.reasoning_tokens, g.requests
    FROM totals t LEFT JOIN (
      SELECT g.*, s.* FROM page g CROSS JOIN LATERAL (SELECT ${SUMS} FROM (${countedRows(whose)}) counted) s
    ) g ON true ${joins}
    ORDER BY ${order('g')}`;
}
