'use strict';
const { measure } = require('../measure');

/**
 * The same load for a while, in slices: what grows with the work done shows here, in memory and in the database's CPU.
 * Only the gateway, which is the one with something to grow.
 */
async function steady({ gateway, progress }, { slices, seconds, rate }) {
  const rows = [];
  for (let slice = 0; slice < slices; slice += 1) {
    progress(`${rate} requests a second, slice ${slice + 1} of ${slices}: ${gateway.name}`);
    const one = await measure(gateway, { kind: 'json', rate, seconds });
    rows.push({
      requests: one.answered,
      failed: one.failed,
      megabytes: gateway.memory() / 1_048_576,
      cpuPerRequest: one.cpu / one.answered,
      databaseCpuPerRequest: one.databaseCpu / one.answered,
    });
  }
  return { slices: rows, failed: rows.reduce((sum, { failed }) => sum + failed, 0) };
}

module.exports = { steady };
