'use strict';
const { measure, median } = require('../measure');

const WARM_UP_REQUESTS = 4_000;

/** Whole answers: as fast as 32 connections go (CPU per request, req/s), and at a fixed rate (added latency). */
async function json(targets, { rounds, seconds, rate, progress }) {
  const rows = Object.fromEntries(targets.map(({ name }) => [name, { closed: [], rated: [] }]));
  for (let round = 0; round < rounds; round += 1) {
    for (const target of targets) {
      progress(`JSON answers, round ${round + 1} of ${rounds}: ${target.name}`);
      // A load of its own, so that its CPU is not counted either; a number of requests and not of seconds, because on a
      // busy machine fewer are answered in a second and more of the compiling would be left for what counts.
      if (round === 0) await measure(target, { kind: 'json', connections: 32, requests: WARM_UP_REQUESTS });
      rows[target.name].closed.push(await measure(target, { kind: 'json', connections: 32, seconds }));
      rows[target.name].rated.push(await measure(target, { kind: 'json', rate, seconds }));
    }
  }
  return Object.fromEntries(
    Object.entries(rows).map(([name, { closed, rated }]) => [
      name,
      {
        cpuPerRequest: median(closed.map((one) => one.cpu / one.answered)),
        databaseCpuPerRequest: median(closed.map((one) => one.databaseCpu / one.answered)),
        perSecond: median(closed.map((one) => one.perSecond)),
        p50AtRate: median(rated.map((one) => one.p50)),
        p99AtRate: median(rated.map((one) => one.p99)),
        failed: [...closed, ...rated].reduce((sum, one) => sum + one.failed, 0),
      },
    ]),
  );
}

module.exports = { json };
