'use strict';
// What administrators list and add up: a year of requests of all users, with its daily sums, and the log of what was done.

const { fill } = require('../admission/database');

/** The name of no model that anybody used, and of one that hardly anybody did. */
const RARE_MODEL = 'model-rare';

const userId = (n) => `('00000000-0000-7000-8000-' || lpad((${n})::text, 12, '0'))::uuid`;
const keyId = (n) => `('00000000-0000-7000-9000-' || lpad((${n})::text, 12, '0'))::uuid`;

const PARTITIONS = `
  SELECT ensure_usage_partition(date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => i))
  FROM generate_series(0, 12) AS i`;

// Registered over a year; one in a thousand is an administrator, one in fifty disabled, one in ten never logged in.
const PEOPLE = `
  UPDATE users SET created_at = now() - random() * interval '365 days',
    last_login_at = CASE WHEN random() < 0.9 THEN now() - random() * interval '90 days' END,
    role = CASE WHEN random() < 0.001 THEN 'admin' ELSE 'user' END,
    status = CASE WHEN random() < 0.02 THEN 'disabled' ELSE 'active' END`;

// Every user alike: the most daily sums that so many records can have. In the order in which they would arrive.
const RECORDS = `
  INSERT INTO usage_records
  SELECT overlay(uuid_v7_floor(at)::text PLACING '7' || substr(gen_random_uuid()::text, 16) FROM 15)::uuid, at,
    at + interval '3 seconds', ${userId('who')}, ${keyId('who')}, 'chat_completions',
    CASE WHEN n % 100000 = 99999 THEN '${RARE_MODEL}' ELSE 'model-' || n % 5 END, true,
    CASE WHEN n % 100 = 0 THEN 'client_closed' ELSE 'completed' END, 'exact', 200, 3000 + n % 5000, n % 3000, 400, 0,
    180, 3000, false
  FROM (
    SELECT n, now() - interval '365 days' + n * (interval '365 days' / $3::bigint) AS at,
      1 + floor(random() * $4::int)::int AS who
    FROM generate_series($1::bigint, $2::bigint) AS n
  ) requests`;

const DAILY_SUMS = `
  INSERT INTO usage_daily (day, user_id, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
    reasoning_tokens)
  SELECT (admitted_at AT TIME ZONE 'UTC')::date AS day, user_id, key_id, model, count(*), sum(prompt_tokens),
    sum(cached_tokens), sum(completion_tokens), sum(reasoning_tokens)
  FROM usage_records GROUP BY 1, 2, 3, 4 ORDER BY 1`;

const AUDIT_LOG = `
  INSERT INTO audit_log (at, actor_id, action, subject, subject_id, address)
  SELECT now() - interval '365 days' + n * (interval '365 days' / $1::bigint), ${userId('1 + n % 10')},
    (ARRAY['user.created', 'api_key.created', 'session.created', 'limit.put'])[1 + n % 4], 'user',
    ${userId('1 + n % $2::int')}, '127.0.0.1'
  FROM generate_series(1, $1::bigint) AS n`;

const INVITATIONS = `
  INSERT INTO invitations (id, token_hash, role, note, created_by, expires_at, revoked_at)
  SELECT ('00000000-0000-7000-a000-' || lpad(n::text, 12, '0'))::uuid, sha256(n::text::bytea), 'user', 'for ' || n,
    ${userId(1)}, now() + (n % 3 - 1) * interval '7 days', CASE WHEN n % 4 = 0 THEN now() END
  FROM generate_series(1, $1::int) AS n`;

/** Rows in one transaction. */
const CHUNK = 500_000;

/** Fills a database of `openDatabase`: each user has a key, a limit and counters. */
async function fillYear(db, { users, records, progress }) {
  // Of a scratch database: nobody else reads it, and what is lost with the machine is not missed.
  await db.query('SET synchronous_commit = off');
  await fill(db, { users, records: 0, progress });
  await db.query(PEOPLE);
  await db.query(PARTITIONS);
  for (let made = 0; made < records; made += CHUNK) {
    await db.query(RECORDS, [made + 1, Math.min(made + CHUNK, records), records, users]);
    if (records > CHUNK) progress(`${Math.min(made + CHUNK, records)} records`);
  }
  await db.query(DAILY_SUMS);
  await db.query(AUDIT_LOG, [Math.ceil(records / 10), users]);
  await db.query(INVITATIONS, [Math.ceil(users / 10)]);
  // Else the first gateway closes the days, when nobody analyses the table.
  await db.query(`SELECT close_usage_days((now() AT TIME ZONE 'UTC')::date - 1)`);
  progress('VACUUM ANALYZE');
  await db.query('VACUUM ANALYZE');
  await db.query('CHECKPOINT');
}

module.exports = { fillYear, RARE_MODEL };
