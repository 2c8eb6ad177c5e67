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
    const besideBare = async (pick, label) => {
      const sides = [bareLoad, ourLoad].map((makeLoad) => ({ database, makeLoad }));
      const { one, two, ratio } = await compare(sides, [pick, pick], { ...plan, label });
      return { label, bare: one, ours: two, ratio: ratio('rate'), postgresRatio: ratio('postgres') };
    };
    return {
      hot: await besideBare(hot, 'one hot user'),
      spread: await besideBare(among(SPREAD), `spread over ${SPREAD}`),
      latency: await latency(database, { ...plan, label: `${RATE} requests/s` }),
    };
  });
}

/**
 * The same without the bare statement, on a million users and ten million ledger rows beside 10,000 users, in interleaved
 * rounds: how many times slower it is there.
 */
async function measureLarge({ rounds, seconds, progress }) {
  return onDatabase({ users: SPREAD, records: 0, progress }, (small) =>
    onDatabase({ ...LARGE, progress }, async (large) => {
      const plan = { rounds, seconds, progress };
      const sizes = [small, large].map((database) => ({ database, makeLoad: ourLoad }));
      const hotRounds = await compare(sizes, [hot, hot], {
        ...plan,
        label: 'one hot user, 10,000 and a million',
      });
      progress('touching every counter once');
      for (const { db } of [small, large]) await touchAll(db);
      const everybody = [among(SPREAD), among(LARGE.users)];
      const spread = await compare(sizes, everybody, { ...plan, label: 'spread over 10,000 and a million' });
      return { hot: asGrowth(hotRounds), spread: asGrowth(spread) };
    }),
  );
}

const asGrowth = ({ label, one, two, ratio }) => ({
  label,
  small: one,
  large: two,
  slower: 1 / ratio('rate'),
});

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

async function withBoth([first, second], work) {
  const one = await first.makeLoad(first.database.url);
  try {
    const two = await second.makeLoad(second.database.url);
    try {
      return await work(one, two);
    } finally {
      await two.close();
    }
  } finally {
    await one.close();
  }
}

/** Medians of both, and of what was compared within each round. CPU in microseconds a request. */
function compare(sides, picks, { rounds, seconds, label, progress }) {
  return withBoth(sides, async (...loads) => {
    const pairs = [];
    for (const [side, load] of loads.entries()) await closedLoop(load, picks[side], WARM_UP);
    for (let index = 0; index < rounds; index += 1) {
      progress(`${label}, round ${index + 1} of ${rounds}`);
      const pair = [];
      for (const [side, load] of loads.entries())
        pair.push(await oneRound(sides[side].database, load, picks[side], seconds));
      pairs.push(pair);
    }
    const of = (which) =>
      Object.fromEntries(
        ['rate', 'postgres', 'own'].map((field) => [field, median(pairs.map((pair) => pair[which][field]))]),
      );
    const ratio = (field) => median(pairs.map(([one, two]) => two[field] / one[field]));
    return { label, one: of(0), two: of(1), ratio };
  });
}

async function oneRound(database, load, pick, seconds) {
  const [postgres, own] = [database.cpu(), process.cpuUsage()];
  const { done, rate } = await closedLoop(load, pick, seconds);
  const { user, system } = process.cpuUsage(own);
  return { rate, postgres: (database.cpu() - postgres) / done, own: (user + system) / done };
}

/** Medians of each round's latencies, in milliseconds: p50 and its ratio, and p99, which is the disk's more than anybody's. */
function latency(database, { rounds, seconds, label, progress }) {
  const sides = [bareLoad, ourLoad].map((makeLoad) => ({ database, makeLoad }));
  return withBoth(sides, async (bare, ours) => {
    const pairs = [];
    const plan = { rate: RATE, seconds };
    for (let index = 0; index < rounds; index += 1) {
      progress(`${label}, round ${index + 1} of ${rounds}`);
      pairs.push([
        await constantRate(bare.one, among(SPREAD), plan),
        await constantRate(ours.admit, among(SPREAD), { ...plan, after: ours.settle }),
      ]);
    }
    const of = (which, at) => median(pairs.map((pair) => pair[which][at]));
    return {
      label,
      bare: of(0, 'p50'),
      ours: of(1, 'p50'),
      ratio: median(pairs.map(([one, two]) => two.p50 / one.p50)),
      p99: { bare: of(0, 'p99'), ours: of(1, 'p99') },
    };
  });
}

module.exports = { measureAdmission, measureLarge };
