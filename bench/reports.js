'use strict';
/**
 * `npm run bench:reports`: every list and report page on a database of 1,000 users and 10,000 records of a year, and on
 * one of `-- --users 100000 --records 1000000`; then records and reports as CSV, and paced streams beside a report. `-- --full`
 * is 1,000,000 users and 10,000,000 records (a quarter of an hour, 10 GB in the temporary folder). `-- --requests N`;
 * `-- --only sort=name,/admin/limits`: the pages whose names hold one of these, and nothing else
 * (`csv`: no page, but what comes after the pages).
 */
const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { openDatabase } = require('./admission/database');
const { freePort } = require('./ports');
const { start, stop } = require('./processes');
const { machineFacts } = require('./report');
const { asker } = require('./reports/asker');
const { besideStreams } = require('./reports/beside-streams');
const { downloads } = require('./reports/download');
const { measurePages } = require('./reports/pages');
const { summary } = require('./reports/verdicts');
const { fillYear } = require('./reports/year');
const { startGateway } = require('./targets/gateway');

const argument = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at === -1 ? otherwise : Number(process.argv[at + 1]);
};
const full = process.argv.includes('--full');
const SMALL = { users: 1_000, records: 10_000 };
const LARGE = {
  users: argument('--users', full ? 1_000_000 : 100_000),
  records: argument('--records', full ? 10_000_000 : 1_000_000),
};
/** Of one page on the large database, beyond which it is asked no further; milliseconds. */
const PATIENCE_MS = 5_000;
const REQUESTS = argument('--requests', 20);
const ONLY = process.argv.includes('--only')
  ? process.argv[process.argv.indexOf('--only') + 1].split(',')
  : null;

const progress = (text) => console.log(`… ${text}`);
const sizeOf = ({ users, records }) => `${users / 1_000}k users, ${records / 1_000}k records`;

/** A filled database, the gateway over it, and an administrator there. */
async function open(size, upstreamPort) {
  const database = await openDatabase();
  const close = [database.close];
  try {
    const startedAt = performance.now();
    await fillYear(database.db, { ...size, progress });
    progress(`${sizeOf(size)}: filled in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
    Object.assign(process.env, { DATABASE_URL: database.url, LIMITS_TIME_ZONE: 'UTC' });
    const target = await startGateway({ upstreamPort, port: await freePort() });
    close.unshift(target.stop);
    await untilDaysAreSummed(database.db);
    await untilLeadersAreKept(database.db);
    return { target, asker: await asker(target, database.db), close };
  } catch (error) {
    for (const one of close) await one();
    throw error;
  }
}

/** The gateway does so in its first minutes, and from then on every hour. */
async function untilDaysAreSummed(db) {
  while ((await db.query('SELECT 1 FROM usage_days_changed LIMIT 1')).length > 0) await sleep(100);
}

/**
 * By user and by key, for each month and year in which something was used, and the last days; the longest are made last.
 * Then as in a database that has run for long.
 */
async function untilLeadersAreKept(db) {
  const isDone = `
    SELECT NOT EXISTS (
      SELECT 1 FROM (
        SELECT date_trunc('year', day)::date AS first_day FROM usage_totals
        UNION SELECT closed_until + 2 - 365 FROM usage_retention
      ) w CROSS JOIN (VALUES ('user'), ('key')) k (kind)
      WHERE NOT EXISTS (
        SELECT 1 FROM usage_leader_lists l
        WHERE l.kind = k.kind AND l.first_day = w.first_day AND l.end_day - l.first_day >= 365
      )
    ) AS done`;
  while (!(await db.query(isDone))[0].done) await sleep(100);
  await db.query('VACUUM ANALYZE usage_leader_lists');
  await db.query('VACUUM ANALYZE usage_leaders');
}

async function main() {
  const upstream = await start(process.execPath, [join(__dirname, 'upstream.js')], {
    label: 'the upstream',
    ready: /upstream on (\d+)/,
  });
  const opened = [];
  try {
    for (const size of [SMALL, LARGE]) opened.push(await open(size, Number(upstream.found[1])));
    const [small, large] = opened;
    const pages = await measurePages(
      { small: small.asker, large: large.asker },
      { only: ONLY, requests: REQUESTS, patience: PATIENCE_MS, progress },
    );
    if (ONLY !== null && !ONLY.includes('csv')) {
      report({ pages });
      return;
    }
    const csv = await downloads(large.asker, large.target, progress);
    const streams = await besideStreams(large.asker, large.target, {
      rounds: 5,
      streams: 50,
      interval: 20,
      seconds: 5,
      progress,
    });
    report({ pages, csv, streams });
  } finally {
    for (const { close } of opened) for (const one of close) await one();
    await stop(upstream.child);
  }
}

function report(figures) {
  const machine = machineFacts(null);
  console.log(`\n${machine}\n\n${summary(figures, { small: sizeOf(SMALL), large: sizeOf(LARGE) })}`);
  mkdirSync(join(__dirname, 'results'), { recursive: true });
  const name = `${new Date().toISOString().replaceAll(':', '-')}-reports.json`;
  const all = { machine, small: SMALL, large: LARGE, ...figures };
  writeFileSync(join(__dirname, 'results', name), JSON.stringify(all, null, 2));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
