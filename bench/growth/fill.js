'use strict';
// Two databases on one PostgreSQL that differ in nothing but how much is in them.

const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { DataSource } = require('typeorm');
const { apiKeyHash, mintApiKey } = require('../../dist/src/auth/api-keys/api-key-token');
const { dataSourceOptions } = require('../../dist/src/database/data-source-options');
const { startEmbeddedPostgres } = require('../../dist/src/embedded-postgres/embedded-postgres');
const { SERVER_SETTINGS, fill, keyId } = require('../admission/database');

/** One server for both, or the disk and the cache would be those of two. */
async function openServer() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-growth-'));
  const server = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    settings: SERVER_SETTINGS,
  });
  return {
    directory,
    url: server.url,
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * A database with so many users (a key, a limit and counters each) and ledger rows of this month, and keys that work
 * for the first `working` of them.
 * @returns its URL, those keys, and files with the first so many of them
 */
async function makeDatabase(server, { name, users, records, working, pepper, progress }) {
  const admin = await connect(server.url);
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.destroy();
  const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).toString();
  const db = await connect(url);
  await db.runMigrations();
  await db.query(
    'CREATE TABLE bare (id integer PRIMARY KEY, used bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)',
  );
  await fill(db, { users, records, progress: (text) => progress(`${name}: ${text}`) });
  const keys = Array.from({ length: Math.min(working, users) }, mintApiKey);
  await db.query(
    `UPDATE api_keys SET key_hash = made.hash
     FROM unnest($1::uuid[], $2::bytea[]) AS made (id, hash) WHERE api_keys.id = made.id`,
    [keys.map((_, at) => keyId(at + 1)), keys.map((key) => apiKeyHash(pepper, key))],
  );
  await db.query('VACUUM ANALYZE api_keys');
  await db.query('CHECKPOINT');
  await db.destroy();
  const keysFile = (count) => {
    const file = join(server.directory, `${name}-${count}.json`);
    writeFileSync(file, JSON.stringify(keys.slice(0, count)));
    return file;
  };
  return { url, keysFile, keys };
}

async function connect(url) {
  const options = dataSourceOptions({ url, poolSize: 1 });
  const db = new DataSource({ ...options, extra: { ...options.extra, statement_timeout: 0 } });
  await db.initialize();
  await db.query(`SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0`);
  return db;
}

module.exports = { openServer, makeDatabase };
