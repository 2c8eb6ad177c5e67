'use strict';
// Runs all migrations up, down and up again in a database of its own, and checks that down leaves nothing behind,
// that up is repeatable, and that every entity finds its columns. Needs dist/ (npm run build). With DATABASE_URL
// that server is used (its user must be able to create databases), else an embedded one; no other database is touched.

const { randomBytes } = require('node:crypto');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Client } = require('pg');
const { DataSource } = require('typeorm');
const { checkRoundTrip } = require('./check-migrations/round-trip');

const dist = join(__dirname, '..', 'dist', 'src');

async function main() {
  const { dataSourceOptions } = require(join(dist, 'database', 'data-source-options.js'));
  const server = await provideServer();
  const name = `check_migrations_${randomBytes(6).toString('hex')}`;
  try {
    await administer(server.url, `CREATE DATABASE ${name}`);
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    const db = new DataSource(dataSourceOptions({ url: url.href, poolSize: 2 }));
    await db.initialize();
    try {
      return await checkRoundTrip(db);
    } finally {
      await db.destroy();
    }
  } finally {
    await administer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(() => undefined);
    await server.stop();
  }
}

async function provideServer() {
  if (process.env.DATABASE_URL) return { url: process.env.DATABASE_URL, stop: async () => undefined };
  const { startEmbeddedPostgres } = require(join(dist, 'embedded-postgres', 'embedded-postgres.js'));
  const directory = mkdtempSync(join(tmpdir(), 'check-migrations-'));
  const { url, stop } = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres') });
  return {
    url,
    stop: async () => {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function administer(url, statement) {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

main().then(
  (problems) => {
    for (const problem of problems) console.error(`  ${problem}`);
    console.log(
      problems.length === 0
        ? 'migrations: up, down and up again leave what they should'
        : `migrations: ${problems.length} problem(s)`,
    );
    process.exit(problems.length === 0 ? 0 : 1);
  },
  (error) => {
    console.error(error.code === 'MODULE_NOT_FOUND' ? `${error.message}\nRun npm run build first.` : error);
    process.exit(1);
  },
);
