'use strict';
const { measure } = require('../measure');
const { inRounds } = require('../rounds');

/** A load of so many requests, after which most is compiled. V8 goes on for some 40,000: docs/performance.md. */
const warmUp = (requests) => ({ kind: 'json', connections: 32, requests });

/** Whole answers: as fast as 32 connections go (CPU per request, requests a second), and at a fixed rate (latency). */
function json({ targets, progress }, { rounds, seconds, rate, warmUps }) {
  return inRounds(targets, rounds, {
    label: 'JSON answers',
    progress,
    warmUp: warmUp(warmUps),
    one: async (target) => {
      const closed = await measure(target, { kind: 'json', connections: 32, seconds });
      const rated = await measure(target, { kind: 'json', rate, seconds });
      return {
        cpuPerRequest: closed.cpu / closed.answered,
        databaseCpuPerRequest: closed.databaseCpu / closed.answered,
        perSecond: closed.perSecond,
        p50: rated.p50,
        p99: rated.p99,
        failed: closed.failed + rated.failed,
      };
    },
  });
}

module.exports = { json, warmUp };
