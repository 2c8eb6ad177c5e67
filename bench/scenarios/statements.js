'use strict';
const { measure } = require('../measure');

/**
 * Statements and bytes of write-ahead log for each request: at a rate at which admissions and settlements travel
 * together, and with one client who asks again once it is answered. What the gateway asks PostgreSQL by itself, as much
 * later when nobody asks it anything, does not count.
 */
async function statements({ gateway, progress }, { rate, seconds, alone }) {
  let before = await gateway.databaseWork();
  const count = async (label, work) => {
    progress(`statements, ${label}: ${gateway.name}`);
    const began = performance.now();
    const { answered, failed } = await work();
    const after = await gateway.databaseWork();
    const done = { ms: performance.now() - began, answered, failed };
    for (const field of ['statements', 'walBytes']) done[field] = after[field] - before[field];
    before = after;
    return done;
  };
  const asked = (label, plan) => count(label, () => measure(gateway, plan));
  const busy = await asked(`${rate} requests a second`, { kind: 'json', rate, seconds });
  const idle = await asked('one client', { kind: 'json', connections: 1, requests: alone });
  const nobody = await count('nobody', () => ({ answered: 0, failed: 0 }));
  const perRequest = (done) => {
    const per = (field) => (done[field] - (nobody[field] * done.ms) / nobody.ms) / done.answered;
    return { statements: per('statements'), walBytes: per('walBytes') };
  };
  return { busy: perRequest(busy), idle: perRequest(idle), failed: busy.failed + idle.failed };
}

module.exports = { statements };
