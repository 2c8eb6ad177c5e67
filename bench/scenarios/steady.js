'use strict';
const { measure } = require('../measure');

/**
 * The same load for a while, in slices: what grows with the work done shows here, in memory and in the database's CPU.
 * Only the gateway, which is the one with something to grow.
 */
async function steady(target, { slices, seconds, rate, progress }) {
  const rows = [];
  for (let slice = 0; slice < slices; slice += 1) {
    progress(`${rate} requests a second, slice ${slice + 1} of ${slices}: ${target.name}`);
    const one = await measure(target, { kind: 'json', rate, seconds });
    rows.push({
      requests: one.answered,
      failed: one.failed,
      megabytes: target.memory() / 1_048_576,
      cpuPerRequest: one.cpu / one.answered,
      databaseCpuPerRequest: one.databaseCpu / one.answered,
    });
  }
  return rows;
}

module.exports = { steady };
