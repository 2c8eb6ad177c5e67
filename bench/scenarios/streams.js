'use strict';
const { measure } = require('../measure');
const { inRounds } = require('../rounds');

/** Paced event streams: CPU per event, and how much later each event arrives. */
function streams({ targets, progress }, { rounds, count, interval, seconds, label = `${count} streams` }) {
  const plan = { kind: 'stream', streams: count, interval, chunks: Math.round((seconds * 1_000) / interval) };
  return inRounds(targets, rounds, {
    label,
    progress,
    warmUp: { ...plan, streams: 100, chunks: 50 },
    one: async (target) => {
      const run = await measure(target, plan);
      return {
        cpuPerEvent: run.cpu / run.events,
        delayP50: run.chunkDelay.p50,
        delayP99: run.chunkDelay.p99,
        failed: run.failed,
      };
    },
  });
}

/** The same with so few of them that nothing waits for anything else. */
const light = (bench, size) => streams(bench, { ...size, label: `light load, ${size.count} streams` });

/** Streams as fast as they are read: an answer that was made already, or a reader who was away. */
function burst({ targets, progress }, { rounds, count, chunks }) {
  const plan = { kind: 'stream', burst: true, streams: count, chunks };
  return inRounds(targets, rounds, {
    label: `${count} streams in a burst`,
    progress,
    warmUp: plan,
    one: async (target) => {
      const run = await measure(target, plan);
      return {
        cpuPerEvent: run.cpu / run.events,
        eventsPerSecond: run.eventsPerSecond,
        failed: run.failed,
      };
    },
  });
}

module.exports = { streams, light, burst };
