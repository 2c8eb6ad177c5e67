'use strict';
// Users, keys, limits and a ledger for the admission benchmark, in a scratch database.

const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { DataSource } = require('typeorm');
const { dataSourceOptions } = require('../../dist/src/database/data-source-options');
const { startEmbeddedPostgres } = require('../../dist/src/embedded-postgres/embedded-postgres');
const { cpuOfTree, postgresIn } = require('../processes');

const userId = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const keyId = (n) => `00000000-0000-7000-9000-${String(n).padStart(12, '0')}`;

const USERS = `
  INSERT INTO users (id, username, username_key, password_hash)
  SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n, 'user' || n, '-'
  FROM generate_series($1::int, $2::int) AS n`;
const KEYS = `
  INSERT INTO api_keys (id, user_id, name, prefix, last_four, key_hash)
  SELECT ('00000000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid,
    ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'key', 'bench', 'last', sha256(n::text::bytea)
  FROM generate_series($1::int, $2::int) AS n`;
const LIMITS = `
  INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
  SELECT 'user', ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'tokens', 'month', 1000000000000, 'default'
  FROM generate_series($1::int, $2::int) AS n`;
const LEDGER = `
  INSERT INTO usage_records
  SELECT overlay(uuid_v7_floor(at)::text PLACING substr(gen_random_uuid()::text, 15) FROM 15)::uuid, at, at + interval '3 seconds',
    ('00000000-0000-7000-8000-' || lpad(who::text, 12, '0'))::uuid, ('00000000-0000-7000-9000-' || lpad(who::text, 12, '0'))::uuid,
    'chat_completions', 'model', true, 'completed', 'exact', 200, 3000, 0, 400, 0, 180, 3000, false
  FROM (
    SELECT date_trunc('month', now()) + random() * (now() - date_trunc('month', now())) AS at,
      1 + floor(random() * $2::int)::int AS who
    FROM generate_series(1, $1::bigint)
  ) requests`;
/** A server that a million users are not too much for: with those of the embedded one each page is read again each time. */
const SERVER_SETTINGS = { shared_buffers: '512MB', max_wal_size: '4GB' };
/** Rows in one transaction. */
const CHUNK = 100_000;

async function openDatabase() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-admission-'));
  const dataDir = join(directory, 'postgres');
  const server = await startEmbeddedPostgres({ dataDir, settings: SERVER_SETTINGS });
  const options = dataSourceOptions({ url: server.url, poolSize: 1 });
  const db = new DataSource({ ...options, extra: { ...options.extra, statement_timeout: 0 } });
  await db.initialize();
  await db.runMigrations();
  await db.query(
    'CREATE TABLE bare (id integer PRIMARY KEY, used bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)',
  );
  const cluster = existsSync(join(dataDir, 'cluster')) ? join(dataDir, 'cluster') : dataDir;
  const postmaster = postgresIn(cluster);
  return {
    url: server.url,
    db,
    cpu: () => cpuOfTree(postmaster),
    close: async () => {
      await db.destroy();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * What the first settlement of each makes: its counters, and its sum of the day. Without it most requests of a million
 * users would be somebody's first, which none is among ten thousand.
 */
async function touchAll(db) {
  await db.query(`
    INSERT INTO limit_windows (subject, subject_id, metric, period, model, window_start)
    SELECT o.subject, o.id, 'tokens', p.period, '', limit_window_start(p.period, now(), 'UTC')
    FROM (SELECT 'user' AS subject, id FROM users UNION ALL SELECT 'key', id FROM api_keys) o,
      (VALUES ('day'), ('month'), ('total')) AS p (period)
    ON CONFLICT DO NOTHING`);
  await db.query(`
    INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
      reasoning_tokens)
    SELECT user_id, (now() AT TIME ZONE 'UTC')::date, id, 'model', 1, 300, 0, 40, 0 FROM api_keys
    ON CONFLICT DO NOTHING`);
  await db.query('UPDATE limit_windows SET used = used + 1');
  await db.query('VACUUM ANALYZE limit_windows, usage_daily');
  await db.query('CHECKPOINT');
}

/** Makes users 1 … `users`, each with a key and a monthly limit, and as many ledger rows of this month. */
async function fill(db, { users, records, progress }) {
  for (let low = 1; low <= users; low += CHUNK) {
    const high = Math.min(users, low + CHUNK - 1);
    for (const statement of [USERS, KEYS, LIMITS]) await db.query(statement, [low, high]);
    await db.query('INSERT INTO bare (id) SELECT generate_series($1::int, $2::int)', [low, high]);
    if (users > CHUNK) progress(`${high} users`);
  }
  for (let made = 0; made < records; made += 10 * CHUNK) {
    await db.query(LEDGER, [Math.min(10 * CHUNK, records - made), users]);
    progress(`${made + 10 * CHUNK} ledger rows`);
  }
  await db.query('VACUUM ANALYZE');
  await db.query('CHECKPOINT');
}

module.exports = { SERVER_SETTINGS, openDatabase, fill, touchAll, userId, keyId };
