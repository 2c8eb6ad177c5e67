'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { measure, startLoad } = require('../measure');

/**
 * Streams that have begun and then wait: resident memory for each 1,000 of them, in MB, all of them counted. Comes
 * before the other scenarios: the garbage they leave behind would be taken for room, and what remains of the figure
 * (even less than nothing) tells when the collector last ran, not what a stream holds.
 */
async function idle({ targets, progress }, { count }) {
  const medians = {};
  for (const target of targets.filter(({ memory }) => memory)) {
    progress(`${count} idle streams: ${target.name}`);
    // The same work in every run, so that every run starts from a heap of the same kind.
    await measure(target, { kind: 'json', connections: 32, requests: 3_000 });
    await measure(target, { kind: 'stream', streams: 100, interval: 20, chunks: 50 });
    await sleep(1_500);
    const before = target.memory();
    const load = startLoad(target, { kind: 'stream', hold: true, streams: count });
    try {
      const { failed } = await load.result;
      await sleep(1_500);
      const held = target.memory() - before;
      medians[target.name] = { megabytesPer1000: (held / count / 1_048_576) * 1_000, failed };
    } finally {
      load.child.kill('SIGKILL');
    }
    await sleep(1_500);
  }
  return { medians, failed: medians.gateway.failed };
}

module.exports = { idle };
