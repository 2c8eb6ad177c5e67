'use strict';
const { measure } = require('../measure');

/** Clients that leave their streams: how soon after that vLLM is told, and whether it always is. */
async function aborts({ gateway, upstreamPort, progress }, { count, connections, silentEvery }) {
  progress(`${count} streams that are left: ${gateway.name}`);
  const { p50, p99, worst, leaked, failed } = await measure(gateway, {
    kind: 'abort',
    aborts: count,
    connections,
    silentEvery,
    upstreamPort,
  });
  return { p50, p99, worst, leaked, count, failed };
}

module.exports = { aborts };
