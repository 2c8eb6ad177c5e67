'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { measure, startLoad } = require('../measure');

/** Streams that have begun and then wait: resident memory for each 1,000 of them, in MB. */
async function idle(targets, { count, progress }) {
  const result = {};
  for (const target of targets.filter(({ memory }) => memory)) {
    progress(`${count} idle streams: ${target.name}`);
    await measure(target, { kind: 'stream', streams: 100, interval: 20, chunks: 5 });
    await sleep(1_000);
    const before = target.memory();
    const { child, result: opened } = startLoad({
      kind: 'stream',
      hold: true,
      streams: count,
      port: target.port,
      key: target.key,
    });
    const { failed } = await opened;
    await sleep(1_000);
    target.requests = (target.requests ?? 0) + count;
    const after = target.memory();
    child.kill('SIGKILL');
    await sleep(1_500);
    result[target.name] = { megabytesPer1000: ((after - before) / count / 1_048_576) * 1_000, failed };
  }
  return result;
}

module.exports = { idle };
