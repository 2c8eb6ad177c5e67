'use strict';
const { startGateway } = require('../targets/gateway');
const { measure, median } = require('../measure');
const { inRounds } = require('../rounds');
const { warmUp } = require('./json');

/** The same gateway with limits, meter and ledger taken out, beside it as it ships: what they cost a request. */
async function bare({ gateway, upstreamPort, progress }, { rounds, seconds, warmUps }) {
  const without = await startGateway({ upstreamPort, name: 'without', preload: 'without-metering.js' });
  try {
    const { rows, failed } = await inRounds([gateway, without], rounds, {
      label: 'with and without limits, meter and ledger',
      progress,
      warmUp: warmUp(warmUps),
      one: async (target) => {
        const { cpu, answered, failed } = await measure(target, { kind: 'json', connections: 32, seconds });
        return { cpuPerRequest: cpu / answered, failed };
      },
    });
    const of = (name) => median(rows[name].map((row) => row.cpuPerRequest));
    const ratio = median(rows.gateway.map((row, at) => row.cpuPerRequest / rows.without[at].cpuPerRequest));
    return { gateway: of('gateway'), without: of('without'), ratio, failed };
  } finally {
    await without.stop();
  }
}

module.exports = { bare };
