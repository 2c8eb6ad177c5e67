'use strict';
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Client } = require('pg');

/** An idle session of PostgreSQL tells of its last transactions after so long. */
const STATISTICS_MS = 10_500;

/** Asks the database of a gateway something: DATABASE_URL, or the embedded one in its data directory. */
async function ask(dataDir, text) {
  const { startEmbeddedPostgres } = require('../../dist/src/embedded-postgres/embedded-postgres');
  const server = process.env.DATABASE_URL
    ? { url: process.env.DATABASE_URL, stop: () => undefined }
    : await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  const client = new Client({ connectionString: server.url });
  try {
    await client.connect();
    const { rows } = await client.query(text);
    return rows[0];
  } finally {
    await client.end();
    await server.stop();
  }
}

/**
 * Transactions and bytes of write-ahead log so far. Every statement of the hot path is a transaction of its own, so
 * transactions are what a request waits for.
 */
async function databaseWork(dataDir) {
  await sleep(STATISTICS_MS);
  const row = await ask(
    dataDir,
    `SELECT xact_commit + xact_rollback AS statements, pg_current_wal_lsn() - '0/0' AS wal
     FROM pg_stat_database WHERE datname = current_database()`,
  );
  return { statements: Number(row.statements), walBytes: Number(row.wal) };
}

/** Sessions of the gateway. */
async function openConnections(dataDir) {
  const row = await ask(
    dataDir,
    `SELECT count(*) AS open FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  );
  return Number(row.open);
}

module.exports = { databaseWork, openConnections };
