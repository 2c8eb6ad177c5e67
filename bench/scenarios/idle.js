'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { startLoad } = require('../measure');

/** Streams that have begun and then wait: resident memory for each 1,000 of them, in MB. */
async function idle(targets, { count, progress }) {
  const result = {};
  for (const target of targets.filter(({ memory }) => memory)) {
    progress(`${count} idle streams: ${target.name}`);
    const loads = [];
    const open = async (streams) => {
      const load = startLoad({ kind: 'stream', hold: true, streams, port: target.port, key: target.key });
      loads.push(load.child);
      const { failed } = await load.result;
      target.requests = (target.requests ?? 0) + streams;
      await sleep(1_500);
      return { failed, memory: target.memory() };
    };
    // The first ones fill what the heap had left over from earlier work; the next ones show what a stream costs.
    const first = await open(count / 2);
    const then = await open(count);
    for (const load of loads) load.kill('SIGKILL');
    await sleep(1_500);
    const failed = first.failed + then.failed;
    result[target.name] = {
      megabytesPer1000: ((then.memory - first.memory) / count / 1_048_576) * 1_000,
      failed,
    };
  }
  return result;
}

module.exports = { idle };
