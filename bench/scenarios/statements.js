'use strict';
const { measure } = require('../measure');

/**
 * Statements and bytes of write-ahead log for each request: at a rate at which admissions and settlements travel
 * together, and with one client who asks again once it is answered.
 */
async function statements({ gateway, progress }, { rate, seconds, alone }) {
  let before = await gateway.databaseWork();
  const count = async (label, plan) => {
    progress(`statements, ${label}: ${gateway.name}`);
    const { answered, failed } = await measure(gateway, plan);
    const after = await gateway.databaseWork();
    const per = (field) => (after[field] - before[field]) / answered;
    const figures = { statements: per('statements'), walBytes: per('walBytes'), failed };
    before = after;
    return figures;
  };
  const busy = await count(`${rate} requests a second`, { kind: 'json', rate, seconds });
  const idle = await count('one client', { kind: 'json', connections: 1, requests: alone });
  return { busy, idle, failed: busy.failed + idle.failed };
}

module.exports = { statements };
