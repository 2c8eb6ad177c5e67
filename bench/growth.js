'use strict';
/**
 * `npm run bench:growth`: whether a request costs more when there is more in the database: one gateway over a database
 * of 1,000 users and another over a large one, in interleaved rounds, for one hot user and spread over many. The
 * large one has 20,000 users and 200,000 ledger rows; `-- --full` makes it a million users and ten million rows (some
 * 10 minutes and 8 GB in the temporary folder), `-- --users N --records N` anything else.
 */
const { randomBytes } = require('node:crypto');
const { measure, median } = require('./measure');
const options = require('./options');
const { postgresIn, cpuOfTree } = require('./processes');
const { machineFacts } = require('./report');
const { keep } = require('./results');
const { makeDatabase, openServer } = require('./growth/fill');
const { startGateway } = require('./targets/gateway');
const { startUpstream } = require('./targets/upstream');

const SMALL = 1_000;
const SPREAD = 10_000;
const RATE = 300;
const GOAL = 1.1;
const progress = (text) => console.log(`… ${text}`);

function sizes() {
  const full = options.has('full');
  return {
    users: options.number('users', full ? 1_000_000 : 20_000),
    records: options.number('records', full ? 10_000_000 : 200_000),
    rounds: options.number('rounds', full ? 5 : 2),
    seconds: options.number('seconds', full ? 5 : 3),
  };
}

/** Who asks: one user; as many of the large database as the small one has; and more than it has. */
const askers = (target) => [
  ['one user', { key: target.keys[0] }],
  [`${SMALL} users`, { keysFile: target.fewKeysFile }],
  [`all ${SPREAD} users`, { keysFile: target.keysFile }],
];

async function round(target, seconds) {
  const figures = {};
  for (const [who, keys] of askers(target)) {
    const closed = await measure(target, { kind: 'json', connections: 32, seconds, ...keys });
    const rated = await measure(target, { kind: 'json', rate: RATE, seconds, ...keys });
    if (closed.failed + rated.failed > 0) throw new Error(`${target.name}: requests failed`);
    figures[`${who}: CPU, µs`] = closed.cpu / closed.answered;
    figures[`${who}: PostgreSQL CPU, µs`] = closed.databaseCpu / closed.answered;
    figures[`${who}: p50 at ${RATE}/s, ms`] = rated.p50;
  }
  return figures;
}

async function startOver(server, upstreamPort, plan) {
  const secrets = { API_KEY_PEPPER: plan.pepper, JWT_SECRET: randomBytes(32).toString('hex') };
  const database = await makeDatabase(server, plan);
  const settings = { ...secrets, DATABASE_URL: database.url };
  const gateway = await startGateway({ upstreamPort, name: plan.name, settings });
  const postmaster = postgresIn(server.directory);
  return Object.assign(gateway, {
    keys: database.keys,
    keysFile: database.keysFile(SPREAD),
    fewKeysFile: database.keysFile(SMALL),
    databaseCpu: () => cpuOfTree(postmaster),
  });
}

async function main() {
  const { users, records, rounds, seconds } = sizes();
  const upstream = await startUpstream();
  const server = await openServer();
  const targets = [];
  try {
    const common = { working: SPREAD, pepper: randomBytes(32).toString('hex'), progress };
    for (const plan of [
      { name: 'small', users: SMALL, records: SMALL },
      { name: 'large', users, records },
    ])
      targets.push(await startOver(server, upstream.port, { ...common, ...plan }));
    const rows = { small: [], large: [] };
    for (const target of targets) {
      progress(`${target.name}: touching what is used`);
      const each = { kind: 'json', connections: 32, keysFile: target.keysFile };
      await measure(target, { ...each, requests: 1.2 * SPREAD });
    }
    for (let at = 0; at < rounds; at += 1) {
      for (const target of targets) {
        progress(`round ${at + 1} of ${rounds}: ${target.name}`);
        rows[target.name].push(await round(target, seconds));
      }
    }
    report({ users, records, rows });
  } finally {
    for (const target of targets) await target.stop();
    await server.stop();
    await upstream.stop();
  }
}

function report({ users, records, rows }) {
  const machine = machineFacts();
  console.log(`\n${machine}\n`);
  console.log(`| figure | ${SMALL} users | ${users} users, ${records} records | large / small |`);
  console.log('| ------ | -----: | -----: | -----: |');
  const ratios = {};
  for (const field of Object.keys(rows.small[0])) {
    const of = (name) => median(rows[name].map((row) => row[field])).toFixed(2);
    ratios[field] = median(rows.large.map((row, at) => row[field] / rows.small[at][field]));
    console.log(`| ${field} | ${of('small')} | ${of('large')} | ${ratios[field].toFixed(2)} |`);
  }
  // The last three tell what more users at work cost (their keys are looked up again and again), not more data.
  const missed = Object.entries(ratios).filter(([field, ratio]) => !field.startsWith('all') && ratio > GOAL);
  console.log(
    missed.length === 0
      ? `\nP10: nothing grows by more than ${GOAL}x`
      : `\nP10 (at most ${GOAL}x) missed: ${missed.map(([field]) => field).join('; ')}`,
  );
  keep('growth', { machine, users, records, rows, ratios });
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
