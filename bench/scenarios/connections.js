'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { measure, startLoad } = require('../measure');

/** Connections that are kept and do nothing: the memory of each, and how requests do beside them. */
async function connections({ gateway, progress }, { count, rate, seconds }) {
  progress(`${count} idle connections: ${gateway.name}`);
  const alone = await measure(gateway, { kind: 'json', rate, seconds });
  const before = gateway.memory();
  const load = startLoad(gateway, { kind: 'idle', hold: true, count });
  try {
    const { failed } = await load.result;
    await sleep(1_000);
    const held = gateway.memory() - before;
    const beside = await measure(gateway, { kind: 'json', rate, seconds });
    return {
      count,
      kilobytesEach: held / count / 1_024,
      p50Alone: alone.p50,
      p50Beside: beside.p50,
      failed: failed + alone.failed + beside.failed,
    };
  } finally {
    load.child.kill('SIGKILL');
    await sleep(1_000);
  }
}

module.exports = { connections };
