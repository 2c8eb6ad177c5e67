'use strict';
/**
 * `npm run bench:admission`: admission with settlement, beside a bare UPDATE … RETURNING a request over 8 connections
 * on the same PostgreSQL, in interleaved rounds. `-- --large` compares a database of 10,000 users with one of a million
 * users and ten million ledger rows (some minutes, 6 GB in the temporary folder). `-- --seconds N`, `-- --rounds N`.
 */
const { fill, openDatabase } = require('./admission/database');
const { bareLoad, closedLoop, constantRate, ourLoad } = require('./admission/loads');
const { median } = require('./measure');

const argument = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at === -1 ? otherwise : Number(process.argv[at + 1]);
};
const SECONDS = argument('--seconds', 4);
const ROUNDS = argument('--rounds', 3);
const SPREAD = 10_000;
const RATE = 300;
const progress = (text) => console.log(`… ${text}`);
const hot = () => 1;
const among = (users) => () => 1 + Math.floor(Math.random() * users);

/** One load on one choice of users: rate, and CPU of PostgreSQL and of this process, in microseconds a request. */
async function round(database, load, pick) {
  const [postgres, own] = [database.cpu(), process.cpuUsage()];
  const { done, rate } = await closedLoop(load, pick, SECONDS);
  const { user, system } = process.cpuUsage(own);
  return { rate, postgres: (database.cpu() - postgres) / done, own: (user + system) / done };
}

async function compare(database, pick, label) {
  const [bare, ours] = [bareLoad(database.url), await ourLoad(database.url)];
  const results = [];
  try {
    for (const load of [bare, ours]) await closedLoop(load, pick, 1);
    for (let index = 0; index < ROUNDS; index += 1) {
      results.push([await round(database, bare, pick), await round(database, ours, pick)]);
      progress(`${label}: round ${index + 1} of ${ROUNDS}`);
    }
  } finally {
    await bare.close();
    await ours.close();
  }
  const of = (which, field) => median(results.map((pair) => pair[which][field]));
  const ratio = (field) => median(results.map(([one, two]) => two[field] / one[field]));
  console.log(
    `${label.padEnd(24)} bare ${of(0, 'rate').toFixed(0)}/s, ours ${of(1, 'rate').toFixed(0)}/s: ${ratio('rate').toFixed(2)}x; ` +
      `PostgreSQL CPU ${of(0, 'postgres').toFixed(0)} and ${of(1, 'postgres').toFixed(0)} us: ${ratio('postgres').toFixed(2)}x; ` +
      `own CPU ${of(0, 'own').toFixed(0)} and ${of(1, 'own').toFixed(0)} us`,
  );
  return of(1, 'rate');
}

async function latency(database) {
  const [bare, ours] = [bareLoad(database.url), await ourLoad(database.url)];
  const pairs = [];
  try {
    const plan = { rate: RATE, seconds: SECONDS };
    for (let index = 0; index < ROUNDS; index += 1) {
      const one = await constantRate(bare.one, among(SPREAD), plan);
      const two = await constantRate(ours.admit, among(SPREAD), { ...plan, after: ours.settle });
      pairs.push([one, two]);
    }
  } finally {
    await bare.close();
    await ours.close();
  }
  const of = (which) => median(pairs.map((pair) => pair[which]));
  console.log(
    `${`p50 at ${RATE} requests/s`.padEnd(24)} bare ${of(0).toFixed(2)} ms, admission ${of(1).toFixed(2)} ms: ` +
      `${median(pairs.map(([one, two]) => two / one)).toFixed(2)}x`,
  );
}

async function small() {
  const database = await openDatabase();
  try {
    await fill(database.db, { users: SPREAD, records: 0, progress });
    const rates = {
      hot: await compare(database, hot, 'one hot user'),
      spread: await compare(database, among(SPREAD), `spread over ${SPREAD}`),
    };
    await latency(database);
    return rates;
  } finally {
    await database.close();
  }
}

async function large(rates) {
  const users = 1_000_000;
  const database = await openDatabase();
  try {
    await fill(database.db, { users, records: 10_000_000, progress });
    const hotRate = await compare(database, hot, 'large: one hot user');
    progress('touching every counter once');
    await database.db.query('UPDATE limit_windows SET used = used + 1');
    await database.db.query('VACUUM ANALYZE limit_windows');
    const spreadRate = await compare(database, among(users), `large: spread over ${users}`);
    console.log(
      `large against small: hot ${(rates.hot / hotRate).toFixed(2)}x slower, spread ${(rates.spread / spreadRate).toFixed(2)}x slower`,
    );
  } finally {
    await database.close();
  }
}

async function main() {
  const rates = await small();
  if (process.argv.includes('--large')) await large(rates);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
