'use strict';
const { measure, median } = require('../measure');

/** Paced event streams: CPU per event, and how much later each event arrives. */
async function streams(targets, { rounds, count, interval, seconds, progress }) {
  const plan = { kind: 'stream', streams: count, interval, chunks: Math.round((seconds * 1_000) / interval) };
  const rows = Object.fromEntries(targets.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const target of targets) {
      progress(`${count} streams, round ${round + 1} of ${rounds}: ${target.name}`);
      if (round === 0) await measure(target, { ...plan, streams: 100, chunks: 50 });
      rows[target.name].push(await measure(target, plan));
    }
  }
  return Object.fromEntries(
    Object.entries(rows).map(([name, runs]) => [
      name,
      {
        cpuPerEvent: median(runs.map((one) => one.cpu / one.events)),
        delayP50: median(runs.map((one) => one.chunkDelay.p50)),
        delayP99: median(runs.map((one) => one.chunkDelay.p99)),
        firstEventP50: median(runs.map((one) => one.firstEvent.p50)),
        failed: runs.reduce((sum, one) => sum + one.failed, 0),
      },
    ]),
  );
}

module.exports = { streams };
