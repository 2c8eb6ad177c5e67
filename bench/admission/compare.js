'use strict';
const { median } = require('../measure');
const { fill, openDatabase, touchAll } = require('./database');
const { bareLoad, closedLoop, constantRate, ourLoad } = require('./loads');

const SPREAD = 10_000;
const RATE = 300;
const LARGE = { users: 1_000_000, records: 10_000_000 };
/** How long each load runs before it is measured, in seconds. */
const WARM_UP = 1;
const hot = () => 1;
const among = (users) => () => 1 + Math.floor(Math.random() * users);

/**
 * Admission with settlement beside a bare UPDATE … RETURNING a request over 8 connections on the same PostgreSQL, in
 * interleaved rounds: for one hot user, spread over 10,000, and admission alone at a constant rate.
 */
async function measureAdmission({ rounds, seconds, progress }) {
  return onDatabase({ users: SPREAD, records: 0, progress }, async (database) => {
    const plan = { rounds, seconds, progress };
    return {
      hot: await compare(database, hot, { ...plan, label: 'one hot user' }),
      spread: await compare(database, among(SPREAD), { ...plan, label: `spread over ${SPREAD}` }),
      latency: await latency(database, { ...plan, label: `${RATE} requests/s` }),
    };
  });
}

/** The same on a million users and ten million ledger rows, as times slower than `small`, of `measureAdmission`. */
async function measureLarge(small, { rounds, seconds, progress }) {
  return onDatabase({ ...LARGE, progress }, async (database) => {
    const plan = { rounds, seconds, progress };
    const one = await compare(database, hot, { ...plan, label: 'large: one hot user' });
    progress('touching every counter once');
    await touchAll(database.db);
    const all = await compare(database, among(LARGE.users), { ...plan, label: 'large: spread over all' });
    return {
      hot: one,
      spread: all,
      hotSlower: small.hot.ours.rate / one.ours.rate,
      spreadSlower: small.spread.ours.rate / all.ours.rate,
    };
  });
}

async function onDatabase({ users, records, progress }, work) {
  const database = await openDatabase();
  try {
    progress(`a database of ${users} users`);
    await fill(database.db, { users, records, progress });
    return await work(database);
  } finally {
    await database.close();
  }
}

async function withBoth(database, work) {
  const [bare, ours] = [bareLoad(database.url), await ourLoad(database.url)];
  try {
    return await work(bare, ours);
  } finally {
    await bare.close();
    await ours.close();
  }
}

/** Medians of both, and medians of what was compared within each round. CPU in microseconds a request. */
function compare(database, pick, { rounds, seconds, label, progress }) {
  return withBoth(database, async (bare, ours) => {
    const pairs = [];
    for (const load of [bare, ours]) await closedLoop(load, pick, WARM_UP);
    for (let index = 0; index < rounds; index += 1) {
      progress(`${label}, round ${index + 1} of ${rounds}`);
      pairs.push([
        await oneRound(database, bare, pick, seconds),
        await oneRound(database, ours, pick, seconds),
      ]);
    }
    const of = (which) =>
      Object.fromEntries(
        ['rate', 'postgres', 'own'].map((field) => [field, median(pairs.map((pair) => pair[which][field]))]),
      );
    const ratio = (field) => median(pairs.map(([one, two]) => two[field] / one[field]));
    return { label, bare: of(0), ours: of(1), ratio: ratio('rate'), postgresRatio: ratio('postgres') };
  });
}

async function oneRound(database, load, pick, seconds) {
  const [postgres, own] = [database.cpu(), process.cpuUsage()];
  const { done, rate } = await closedLoop(load, pick, seconds);
  const { user, system } = process.cpuUsage(own);
  return { rate, postgres: (database.cpu() - postgres) / done, own: (user + system) / done };
}

/** Medians of the median latencies, in milliseconds. */
function latency(database, { rounds, seconds, label, progress }) {
  return withBoth(database, async (bare, ours) => {
    const pairs = [];
    const plan = { rate: RATE, seconds };
    for (let index = 0; index < rounds; index += 1) {
      progress(`${label}, round ${index + 1} of ${rounds}`);
      pairs.push([
        await constantRate(bare.one, among(SPREAD), plan),
        await constantRate(ours.admit, among(SPREAD), { ...plan, after: ours.settle }),
      ]);
    }
    const of = (which) => median(pairs.map((pair) => pair[which]));
    return { label, bare: of(0), ours: of(1), ratio: median(pairs.map(([one, two]) => two / one)) };
  });
}

module.exports = { measureAdmission, measureLarge };
