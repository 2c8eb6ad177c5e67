'use strict';
/**
 * `node bench/ledger-size.js [rows]`: what the ledger takes on disk, measured with a million records (or as many as are
 * asked for) in a scratch database, and how long dropping their month takes. Needs a build (npm run build).
 */
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { DataSource } = require('typeorm');
const { dataSourceOptions } = require('../dist/src/database/data-source-options');
const { startEmbeddedPostgres } = require('../dist/src/embedded-postgres/embedded-postgres');

const USERS = 1_000;
const MILLION = 1_000_000;

// Requests of a thousand users with a key each, spread over one month in the order in which they would arrive.
const FILL = `
  INSERT INTO usage_records
  SELECT overlay(uuid_v7_floor(at)::text PLACING substr(gen_random_uuid()::text, 15) FROM 15)::uuid, at, at + interval '3 seconds', user_id, key_id,
    'chat_completions', 'qwen3-coder-30b', n % 4 <> 0, 'completed', 'exact', 200, 3000 + n % 5000, n % 3000, 400, n % 200,
    180 + n % 100, 3000, false
  FROM (
    SELECT n, date_trunc('month', now()) + n * interval '27 days' / $1 AS at,
      ('00000000-0000-7000-8000-' || lpad(user_number::text, 12, '0'))::uuid AS user_id,
      ('00000000-0000-7000-9000-' || lpad(user_number::text, 12, '0'))::uuid AS key_id
    FROM (SELECT n, floor(random() * ${USERS})::int AS user_number FROM generate_series(1, $1::bigint) AS n) drawn
  ) requests`;

const SIZES = `
  SELECT pg_relation_size(part) AS heap, pg_relation_size(pk) AS pk, pg_relation_size(by_user) AS by_user,
    pg_total_relation_size(part) AS total
  FROM (SELECT part, pk.indexrelid AS pk, by_user.indexrelid AS by_user
    FROM (SELECT ('usage_records_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'))::regclass AS part) p
    JOIN pg_index pk ON pk.indrelid = part AND pk.indisprimary
    JOIN pg_index by_user ON by_user.indrelid = part AND NOT by_user.indisprimary) i`;

const WRITE = `
  INSERT INTO usage_records
  SELECT overlay(uuid_v7_floor(at)::text PLACING substr(gen_random_uuid()::text, 15) FROM 15)::uuid, at, at,
    gen_random_uuid(), NULL, 'chat_completions', 'm', true, 'completed', 'exact', 200, 1, 0, 1, 0, 1, 1, false
  FROM (SELECT date_trunc('month', now()) + interval '40 days' AS at) next_month`;

/** How long the drop takes, and how long it holds up the slowest of the settlements of another month; milliseconds. */
async function dropping(db, url) {
  const other = new DataSource(dataSourceOptions({ url, poolSize: 1 }));
  await other.initialize();
  const dropped = new AbortController();
  let slowest = 0;
  const writing = (async () => {
    while (!dropped.signal.aborted) {
      const sentAt = performance.now();
      await other.query(WRITE);
      slowest = Math.max(slowest, performance.now() - sentAt);
    }
  })();
  await sleep(500);
  slowest = 0;
  const startedAt = performance.now();
  await db.query(`SELECT drop_usage_partition(date_trunc('month', now() AT TIME ZONE 'UTC'))`);
  const took = performance.now() - startedAt;
  dropped.abort();
  await writing;
  await other.destroy();
  return [took.toFixed(0), slowest.toFixed(0)];
}

async function main() {
  const rows = Number(process.argv[2] ?? MILLION);
  const directory = mkdtempSync(join(tmpdir(), 'ledger-size-'));
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres') });
  const options = dataSourceOptions({ url: server.url, poolSize: 1 });
  const db = new DataSource({ ...options, extra: { ...options.extra, statement_timeout: 0 } });
  try {
    await db.initialize();
    await db.runMigrations();
    await db.query(FILL, [rows]);
    await db.query('VACUUM ANALYZE usage_records');
    const [sizes] = await db.query(SIZES);
    for (const [part, bytes] of Object.entries(sizes)) {
      const perMillion = (Number(bytes) / rows) * MILLION;
      console.log(
        `${part.padEnd(8)} ${(perMillion / 2 ** 20).toFixed(0).padStart(5)} MiB per million records`,
      );
    }
    const [took, slowest] = await dropping(db, server.url);
    console.log(
      `dropping the month of ${rows} records took ${took} ms; the slowest write meanwhile ${slowest} ms`,
    );
  } finally {
    await db.destroy();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
