import type { DataSource } from 'typeorm';
import type { Pages } from './json-stream';

const PAGE = 1_000;
/** Keys whose limits or counters are read at a time; each has a few. */
const KEYS_AT_A_TIME = 100;

/** Sorts before every id; and stands for "with a session" where a key would be. */
const NO_KEY = '00000000-0000-0000-0000-000000000000';

const PASSWORD_LINKS = 'SELECT created_at, expires_at FROM password_resets WHERE user_id = $1';

const SESSIONS = `
  SELECT id, created_at, last_used_at, expires_at, revoked_at AS ended_at, revoked_reason AS end_reason, user_agent,
    address
  FROM sessions WHERE user_id = $1 ORDER BY id`;

const API_KEYS = `
  SELECT id, name, prefix, last_four, models, created_at, expires_at, last_used_at, revoked_at,
    previous_last_four, least(previous_valid_until, expires_at, revoked_at) AS previous_valid_until
  FROM api_keys WHERE user_id = $1 AND id > $3 ORDER BY id LIMIT $2`;

const KEY_IDS = 'SELECT id FROM api_keys WHERE user_id = $1 AND id > $3 ORDER BY id LIMIT $2';

const OF_SUBJECTS = `
  subject = $1 AND subject_id = ANY ($2::uuid[]) ORDER BY subject_id, metric DESC, period, model`;

const NO_DEFAULTS = `
  SELECT metric, period AS window FROM default_exemptions WHERE user_id = $1 ORDER BY metric, period`;

const LIMITS = `
  SELECT subject, subject_id, metric, period AS window, nullif(model, '') AS model, amount::float8,
    temporary_amount::float8, temporary_until, set_by, created_at
  FROM limits WHERE ${OF_SUBJECTS}`;

const COUNTERS = `
  SELECT subject, subject_id, metric, period AS window, nullif(model, '') AS model,
    nullif(window_start, '-infinity') AS window_start, used::float8, reserved::float8
  FROM limit_windows WHERE ${OF_SUBJECTS}`;

// What the user did, and what others did to the account and its keys: each walks an index of its own, in its order. Of
// what others did their address stays theirs, and so do the values of what was not about this account.
const AUDIT_LOG = `
  SELECT id::text, at, coalesce(by_me, false) AS by_me, action, subject, subject_id,
    CASE WHEN about_me THEN before END AS before, CASE WHEN about_me THEN after END AS after,
    CASE WHEN by_me THEN address END AS address, request_id, at::text AS place
  FROM (
    SELECT *, actor_id = $1 AS by_me, subject_id = $1
      OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = subject_id AND k.user_id = $1) AS about_me
    FROM (
      (SELECT * FROM audit_log WHERE actor_id = $1 AND (at, id) > ($3::timestamptz, $4::bigint)
        ORDER BY at, id LIMIT $2)
      UNION ALL
      SELECT l.* FROM (SELECT $1::uuid AS id UNION ALL SELECT id FROM api_keys WHERE user_id = $1) mine
      CROSS JOIN LATERAL (
        SELECT * FROM audit_log WHERE subject_id = mine.id AND actor_id IS DISTINCT FROM $1
          AND (at, id) > ($3::timestamptz, $4::bigint)
        ORDER BY at, id LIMIT $2
      ) l
    ) entries
    ORDER BY at, id LIMIT $2
  ) a ORDER BY a.at, a.id`;

// In the order of its columns, not of what is shown of them: without their table these names would be those of the list.
const DAILY_USAGE = `
  SELECT day::text, nullif(key_id, '${NO_KEY}') AS key_id, model, requests::float8, prompt_tokens::float8,
    cached_tokens::float8, completion_tokens::float8, reasoning_tokens::float8
  FROM usage_daily
  WHERE user_id = $1 AND (day, key_id, model) > ($3::date, $4::uuid, $5::text)
  ORDER BY usage_daily.day, usage_daily.key_id, usage_daily.model LIMIT $2`;

type Row = Readonly<Record<string, unknown>>;

/** What is kept about an account, list by list; what can be long is read page by page, each behind the one before. */
export function accountParts(dataSource: Pick<DataSource, 'query'>, userId: string) {
  const read = (sql: string, values: readonly unknown[]): Promise<Row[]> =>
    dataSource.query(sql, [...values]);

  async function* whole(sql: string): Pages {
    yield await read(sql, [userId]);
  }

  async function* paged(
    sql: string,
    { first, placeOf, page = PAGE }: { first: unknown[]; placeOf: (row: Row) => unknown[]; page?: number },
  ): AsyncGenerator<Row[]> {
    for (let place = first; ;) {
      const rows = await read(sql, [userId, page, ...place]);
      yield rows;
      const last = rows.at(-1);
      if (!last || rows.length < page) return;
      place = placeOf(last);
    }
  }

  /** Of the user, and then of the keys in the order of their ids. */
  async function* ofSubjects(sql: string): Pages {
    yield await read(sql, ['user', [userId]]);
    for await (const keys of paged(KEY_IDS, { ...BY_ID, page: KEYS_AT_A_TIME })) {
      yield await read(sql, ['key', keys.map(({ id }) => id)]);
    }
  }

  return {
    password_links: whole(PASSWORD_LINKS),
    sessions: whole(SESSIONS),
    api_keys: shown(paged(API_KEYS, BY_ID), withPreviousSecret),
    limits: ofSubjects(LIMITS),
    default_exemptions: whole(NO_DEFAULTS),
    counters: ofSubjects(COUNTERS),
    audit_log: shown(
      paged(AUDIT_LOG, { first: ['-infinity', 0], placeOf: ({ place, id }) => [place, id] }),
      withoutPlace,
    ),
    daily_usage: paged(DAILY_USAGE, {
      first: ['-infinity', NO_KEY, ''],
      placeOf: ({ day, key_id, model }) => [day, key_id ?? NO_KEY, model],
    }),
  };
}

async function* shown(pages: AsyncIterable<Row[]>, show: (row: Row) => Row): Pages {
  for await (const rows of pages) yield rows.map(show);
}

const BY_ID = { first: [NO_KEY], placeOf: ({ id }: Row) => [id] };

/** The place is the time with its microseconds, which a Date has not. */
const withoutPlace = (entry: Row): Row => ({ ...entry, place: undefined });

function withPreviousSecret({ previous_last_four, previous_valid_until, ...key }: Row): Row {
  const previous = { last_four: previous_last_four, valid_until: previous_valid_until };
  return { ...key, previous_secret: previous_last_four === null ? null : previous };
}
