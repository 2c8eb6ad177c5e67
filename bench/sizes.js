'use strict';

const RATE = 300;

/** What `npm run bench` measures, in this order, and how much of it. Idle comes first: it needs a fresh heap. */
const FULL = {
  idle: { count: 1_000 },
  json: { rounds: 5, seconds: 5, rate: RATE, warmUps: 40_000 },
  firstBytes: { rounds: 5, seconds: 5, rate: RATE },
  streams: { rounds: 5, count: 200, interval: 20, seconds: 10 },
  light: { rounds: 5, count: 10, interval: 20, seconds: 5 },
  burst: { rounds: 5, count: 50, chunks: 2_000 },
  statements: { rate: 1_000, seconds: 10, alone: 1_000 },
  steady: { slices: 6, seconds: 10, rate: RATE },
  aborts: { count: 10_000, connections: 100, silentEvery: 4 },
  connections: { count: 10_000, rate: RATE, seconds: 5 },
  bare: { rounds: 5, seconds: 4, warmUps: 40_000 },
  dialects: { rounds: 3, seconds: 4, warmUps: 10_000, count: 50, interval: 20, chunks: 2_000 },
  admission: { rounds: 3, seconds: 4 },
  workers: { rounds: 3, seconds: 4, warmUps: 40_000 },
  // Last: what a slow reader's connection held is given back late.
  slowReaders: { count: 100, megabytes: 50, seconds: 20 },
};

/** For CI: within three minutes. */
const SMOKE = {
  idle: { count: 1_000 },
  json: { rounds: 2, seconds: 2, rate: RATE, warmUps: 4_000 },
  streams: { rounds: 1, count: 200, interval: 20, seconds: 5 },
  light: { rounds: 1, count: 10, interval: 20, seconds: 2 },
  burst: { rounds: 2, count: 50, chunks: 600 },
  statements: { rate: 600, seconds: 3, alone: 200 },
  // None before its first byte: on a busy machine nobody knows how far such a request has come.
  aborts: { count: 1_000, connections: 50, silentEvery: 0 },
  bare: { rounds: 2, seconds: 2, warmUps: 4_000 },
  admission: { rounds: 2, seconds: 0.75 },
};

module.exports = { FULL, SMOKE };
