'use strict';
const { measure } = require('../measure');
const { inRounds } = require('../rounds');

/** Short streams at a fixed rate: how long each takes to its first byte, admission included. */
function firstBytes({ targets, progress }, { rounds, seconds, rate }) {
  const plan = { kind: 'first-byte', chunks: 4, rate, seconds };
  return inRounds(targets, rounds, {
    label: 'first bytes of streams',
    progress,
    warmUp: { ...plan, seconds: 2 },
    one: async (target) => {
      const { p50, p99, failed } = await measure(target, plan);
      return { p50, p99, failed };
    },
  });
}

module.exports = { firstBytes };
