import { COUNTED, COUNTED_TOGETHER, NO_KEY, SUMS } from '../../usage/counted-usage';
import type { Group, ReportSort, UsageReportRow } from './usage-report.dto';

/** What a report adds up by. */
export interface Grouping {
  /** Of `counted`. */
  readonly by: string;
  /** Of a row of `grouped`, as text: never null, and of one group alone. */
  readonly id: string;
  readonly idForm: RegExp;
  /** What it is sorted by as its name; '' when it has none. */
  readonly name: string;
  readonly joins: string;
  /** What a row shows of the group. */
  readonly shown: string;
  readonly columns: readonly (keyof UsageReportRow)[];
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** One by one, by the index: where many rows are expected, PostgreSQL else reads all accounts and keys for each part. */
const lookedUp = (row: string): string => `LEFT JOIN LATERAL (${row} OFFSET 0)`;
const PERSON = `${lookedUp('SELECT username, username_key FROM users WHERE id = g.user_id AND deleted_at IS NULL')} u ON true`;
const KEY = `${lookedUp('SELECT name FROM api_keys WHERE id = g.key_id AND user_id = g.user_id')} k ON true`;

export const GROUPINGS: Readonly<Record<Group, Grouping>> = {
  user: {
    by: 'user_id',
    id: 'g.user_id::text',
    idForm: new RegExp(`^${UUID}$`),
    name: 'u.username_key',
    joins: PERSON,
    shown: 'g.user_id, u.username',
    columns: ['user_id', 'username'],
  },
  // With the user: what was used with sessions has no key, and belongs to somebody all the same.
  key: {
    by: 'user_id, key_id',
    id: `g.user_id::text || '/' || g.key_id::text`,
    idForm: new RegExp(`^${UUID}/${UUID}$`),
    name: 'k.name',
    joins: `${PERSON} ${KEY}`,
    shown: `g.user_id, u.username, nullif(g.key_id, '${NO_KEY}') AS key_id, k.name AS key_name`,
    columns: ['user_id', 'username', 'key_id', 'key_name'],
  },
  model: {
    by: 'model',
    id: 'g.model',
    idForm: /^[^\p{Cc}\p{Cs}]{0,512}$/u,
    name: 'g.model',
    joins: '',
    shown: 'g.model',
    columns: ['model'],
  },
  day: {
    by: 'day',
    id: 'g.day::text',
    idForm: /^\d{4}-\d\d-\d\d$/,
    name: 'g.day::text',
    joins: '',
    shown: 'g.day::text AS day',
    columns: ['day'],
  },
};

/** How the value that is sorted by travels in a cursor: a number, or the beginning of a name; the id stands beside it. */
export const PLACE_FORMS = { id: /^$/, tokens: /^\d{1,20}$/, name: /^[^\p{Cc}\p{Cs}]{0,100}$/u } as const;

export const sortKey = (sort: ReportSort): keyof typeof PLACE_FORMS =>
  sort.replace('-', '') as keyof typeof PLACE_FORMS;

/**
 * One page and the totals of all: $1 to $10 are those of COUNTED, $11 is how many rows, and $12 and $13 are the place
 * behind which the page begins. Every order ends with the id, so that no two rows have the same place. Names are looked
 * up for the page alone, unless they are what it is sorted by.
 * @param together of all users, by model or day
 */
export function reportPage(
  group: Group,
  sort: ReportSort,
  { hasCursor, together }: { hasCursor: boolean; together: boolean },
): string {
  const { by, id, name, joins, shown } = GROUPINGS[group];
  const key = sortKey(sort);
  const [type, place] = {
    id: ['text', `''::text`],
    tokens: ['numeric', 'g.prompt_tokens + g.completion_tokens'],
    name: ['text', `left(coalesce(${name}, ''), 100) COLLATE "C"`],
  }[key] as [string, string];
  const [direction, behind] = sort.startsWith('-') ? ['DESC', '<'] : ['ASC', '>'];
  const order = (row: string) => `${row}.place ${direction}, ${row}.id ${direction}`;
  return `
    WITH ${together ? COUNTED_TOGETHER : COUNTED}, grouped AS MATERIALIZED (
      SELECT ${by}, ${SUMS} FROM counted GROUP BY ${by}
    ), totals AS (
      SELECT ${SUMS} FROM grouped
    ), page AS (
      SELECT * FROM (
        SELECT ${place} AS place, (${id}) COLLATE "C" AS id, g.*
        FROM grouped g ${key === 'name' ? joins : ''}
      ) p
      ${hasCursor ? `WHERE (p.place, p.id) ${behind} ($12::${type}, $13::text)` : ''}
      ORDER BY ${order('p')} LIMIT $11
    )
    SELECT row_to_json(t) AS totals, g.id, g.place::text AS place, ${shown}, g.prompt_tokens, g.completion_tokens,
      g.cached_tokens, g.reasoning_tokens, g.requests
    FROM totals t LEFT JOIN page g ON true ${joins}
    ORDER BY ${order('g')}`;
}
