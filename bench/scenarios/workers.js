'use strict';
const os = require('node:os');
const { measure, median } = require('../measure');
const { inRounds } = require('../rounds');
const { startGateway } = require('../targets/gateway');
const { warmUp } = require('./json');

/** Cores that upstream, load and PostgreSQL need beside the workers. */
const OTHERS = 3;

/**
 * Several workers beside one: requests and events a second, and what each costs. Where there are too few cores the
 * rates say nothing, and the cost of a request, which must not grow with the workers, is what is left to go by.
 */
async function workers({ upstreamPort, progress }, { rounds, seconds, count, warmUps }) {
  const many = count ?? Math.max(2, os.cpus().length - OTHERS);
  const targets = [
    await startGateway({ upstreamPort, name: 'one' }),
    await startGateway({ upstreamPort, name: 'many', workers: many }),
  ];
  try {
    const burst = { kind: 'stream', burst: true, streams: 64, chunks: 1_500 };
    const { rows } = await inRounds(targets, rounds, {
      label: `${many} workers beside one`,
      progress,
      warmUp: warmUp(warmUps * many),
      one: async (target) => {
        const json = await measure(target, { kind: 'json', connections: 32 * many, seconds });
        const streams = await measure(target, burst);
        return {
          perSecond: json.perSecond,
          cpuPerRequest: json.cpu / json.answered,
          eventsPerSecond: streams.eventsPerSecond,
          cpuPerEvent: streams.cpu / streams.events,
          failed: json.failed + streams.failed,
        };
      },
    });
    return { workers: many, freeCores: os.cpus().length - OTHERS, ...compared(rows) };
  } finally {
    for (const target of targets) await target.stop();
  }
}

function compared(rows) {
  const ratio = (field) => median(rows.many.map((row, at) => row[field] / rows.one[at][field]));
  const failed = [...rows.one, ...rows.many].reduce((sum, row) => sum + row.failed, 0);
  return {
    perSecond: ratio('perSecond'),
    eventsPerSecond: ratio('eventsPerSecond'),
    cpuPerRequest: ratio('cpuPerRequest'),
    cpuPerEvent: ratio('cpuPerEvent'),
    failed,
  };
}

module.exports = { workers };
