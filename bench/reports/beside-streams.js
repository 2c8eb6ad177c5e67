'use strict';
const { spawn } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const { measure, median } = require('../measure');
const { nearlyAYear } = require('./pages');

const REPORT = () => `/admin/usage?group_by=key&sort=-tokens&${nearlyAYear()}`;

/** A process that only computes, for as long as `task` takes, at the lowest priority: what any neighbour costs. */
async function besideALoop(task) {
  const loop = spawn('nice', ['-n', '19', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' });
  try {
    await sleep(500);
    return await task();
  } finally {
    loop.kill('SIGKILL');
  }
}

/**
 * How late the events of paced streams arrive: alone, with a report of nearly a year running all the time, and, to
 * tell what of that is the report's, beside a loop that does nothing.
 */
async function besideStreams(one, target, { rounds, streams, interval, seconds, progress }) {
  const plan = { kind: 'stream', streams, interval, chunks: Math.round((seconds * 1_000) / interval) };
  await measure(target, { ...plan, chunks: 50 });
  const [without, during, looping] = [[], [], []];
  let reports = 0;
  for (let round = 0; round < rounds; round += 1) {
    without.push(await measure(target, plan));
    const ended = new AbortController();
    const reporting = (async () => {
      while (!ended.signal.aborted) {
        await one.time(REPORT());
        reports += 1;
      }
    })();
    during.push(await measure(target, plan));
    ended.abort();
    await reporting;
    looping.push(await besideALoop(() => measure(target, plan)));
    progress(`${streams} streams beside a report: round ${round + 1} of ${rounds}`);
  }
  const of = (runs) => ({
    p50: median(runs.map((run) => run.chunkDelay.p50)),
    p99: median(runs.map((run) => run.chunkDelay.p99)),
    firstEvent: median(runs.map((run) => run.firstEvent.p50)),
    failed: runs.reduce((sum, run) => sum + run.failed, 0),
    ratio: median(runs.map((run, at) => run.chunkDelay.p99 / without[at].chunkDelay.p99)),
  });
  return { without: of(without), during: of(during), looping: of(looping), reports };
}

module.exports = { besideStreams };
