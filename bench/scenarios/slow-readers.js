'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { startLoad } = require('../measure');

/** Bytes of an event of the upstream, with its usage: about so many make 50 MB. */
const EVENT_BYTES = 360;

/**
 * Clients that read a kilobyte a second of streams of 50 MB: what the gateway holds of each. The pressure must
 * reach the model server, or a few of them fill the memory.
 */
async function slowReaders({ gateway, progress }, { count, megabytes, seconds }) {
  progress(`${count} slow readers of ${megabytes} MB each: ${gateway.name}`);
  const before = gateway.memory();
  const chunks = Math.round((megabytes * 1_000_000) / EVENT_BYTES);
  const load = startLoad(gateway, { kind: 'slow', hold: true, streams: count, chunks });
  try {
    const { failed } = await load.result;
    let most = 0;
    for (let second = 0; second < seconds; second += 1) {
      await sleep(1_000);
      most = Math.max(most, gateway.memory() - before);
    }
    return { count, kilobytesEach: most / count / 1_024, failed };
  } finally {
    load.child.kill('SIGKILL');
    await sleep(1_000);
  }
}

module.exports = { slowReaders };
