import type { DataSource } from 'typeorm';
import type { Pages } from './json-stream';

const PAGE = 1_000;

/** Stands for "with a session" where a key would be. */
const NO_KEY = '00000000-0000-0000-0000-000000000000';

const PASSWORD_LINKS = 'SELECT created_at, expires_at FROM password_resets WHERE user_id = $1';

const SESSIONS = `
  SELECT id, created_at, last_used_at, expires_at, revoked_at AS ended_at, revoked_reason AS end_reason, user_agent,
    address
  FROM sessions WHERE user_id = $1 ORDER BY id`;

const API_KEYS = `
  SELECT id, name, prefix, last_four, models, created_at, expires_at, last_used_at, revoked_at,
    previous_last_four, least(previous_valid_until, expires_at, revoked_at) AS previous_valid_until
  FROM api_keys WHERE user_id = $1 ORDER BY id`;

const OWN_COUNTERS = `
  (subject = 'user' AND subject_id = $1
    OR subject = 'key' AND subject_id IN (SELECT id FROM api_keys WHERE user_id = $1))
  ORDER BY subject DESC, subject_id, metric DESC, period, model`;

const LIMITS = `
  SELECT subject, subject_id, metric, period AS window, nullif(model, '') AS model, amount::float8,
    temporary_amount::float8, temporary_until, set_by, created_at
  FROM limits WHERE ${OWN_COUNTERS}`;

const COUNTERS = `
  SELECT subject, subject_id, metric, period AS window, nullif(model, '') AS model,
    nullif(window_start, '-infinity') AS window_start, used::float8, reserved::float8
  FROM limit_windows WHERE ${OWN_COUNTERS}`;

// Of what others did their address stays theirs, and so do the values of what was not about this account.
const AUDIT_LOG = `
  SELECT id::text, at, coalesce(by_me, false) AS by_me, action, subject, subject_id,
    CASE WHEN about_me THEN before END AS before, CASE WHEN about_me THEN after END AS after,
    CASE WHEN by_me THEN address END AS address, request_id
  FROM (
    SELECT *, actor_id = $1 AS by_me,
      subject_id = $1 OR subject_id IN (SELECT id FROM api_keys WHERE user_id = $1) AS about_me
    FROM audit_log
    WHERE id > $3 AND (actor_id = $1 OR subject_id = $1
      OR subject_id IN (SELECT id FROM api_keys WHERE user_id = $1))
    ORDER BY id LIMIT $2
  ) a ORDER BY a.id`;

const DAILY_USAGE = `
  SELECT day::text, nullif(key_id, '${NO_KEY}') AS key_id, model, requests::float8, prompt_tokens::float8,
    cached_tokens::float8, completion_tokens::float8, reasoning_tokens::float8
  FROM usage_daily
  WHERE user_id = $1 AND (day, key_id, model) > ($3::date, $4::uuid, $5::text)
  ORDER BY day, key_id, model LIMIT $2`;

type Row = Readonly<Record<string, unknown>>;

/** What is kept about an account, list by list; what can be long is read page by page, each behind the one before. */
export function accountParts(dataSource: DataSource, userId: string) {
  const read = (sql: string, more: readonly unknown[] = []): Promise<Row[]> =>
    dataSource.query(sql, [userId, ...more]);

  async function* whole(sql: string, shown = (row: Row) => row): Pages {
    yield (await read(sql)).map(shown);
  }

  async function* paged(sql: string, first: readonly unknown[], placeOf: (row: Row) => unknown[]): Pages {
    for (let place = first; ;) {
      const rows = await read(sql, [PAGE, ...place]);
      yield rows;
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      place = placeOf(last);
    }
  }

  return {
    password_links: whole(PASSWORD_LINKS),
    sessions: whole(SESSIONS),
    api_keys: whole(API_KEYS, withPreviousSecret),
    limits: whole(LIMITS),
    counters: whole(COUNTERS),
    audit_log: paged(AUDIT_LOG, [0], ({ id }) => [id]),
    daily_usage: paged(DAILY_USAGE, ['-infinity', NO_KEY, ''], ({ day, key_id, model }) => [
      day,
      key_id ?? NO_KEY,
      model,
    ]),
  };
}

function withPreviousSecret({ previous_last_four, previous_valid_until, ...key }: Row): Row {
  const previous = { last_four: previous_last_four, valid_until: previous_valid_until };
  return { ...key, previous_secret: previous_last_four === null ? null : previous };
}
