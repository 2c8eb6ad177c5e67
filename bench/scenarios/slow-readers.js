'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { measure, startLoad } = require('../measure');

/** Bytes of an event of the upstream, with its usage: about so many make 50 MB. */
const EVENT_BYTES = 360;

/**
 * Clients that read a kilobyte a second of streams of 50 MB: what the gateway holds of each. The pressure must reach
 * the model server, or a few of them fill the memory. What V8 and its buffers use is told, garbage included; resident
 * memory beside it, which also keeps what the rush of the beginning (until all sockets were full) has left free.
 */
async function slowReaders({ gateway, progress }, { count, megabytes, seconds }) {
  progress(`${count} slow readers of ${megabytes} MB each: ${gateway.name}`);
  await measure(gateway, { kind: 'json', connections: 32, requests: 3_000 });
  const [used, resident] = [await gateway.usedMemory(), gateway.memory()];
  const chunks = Math.round((megabytes * 1_000_000) / EVENT_BYTES);
  const load = startLoad(gateway, { kind: 'slow', hold: true, streams: count, chunks });
  try {
    const { failed } = await load.result;
    await sleep(seconds * 1_000);
    const each = (bytes) => bytes / count / 1_024;
    return {
      count,
      kilobytesEach: each((await gateway.usedMemory()) - used),
      residentKilobytesEach: each(gateway.memory() - resident),
      failed,
    };
  } finally {
    load.child.kill('SIGKILL');
    await sleep(1_000);
  }
}

module.exports = { slowReaders };
