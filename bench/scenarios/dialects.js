'use strict';
const { DIALECTS } = require('../load/routes');
const { measure, median } = require('../measure');
const { inRounds } = require('../rounds');
const { warmUp } = require('./json');

const CHAT = '/v1/chat/completions';

/** What the other ways of asking for a chat cost the gateway, beside the chat that they are made to. */
async function dialects({ gateway, progress }, { rounds, seconds, warmUps, count, interval, chunks }) {
  const targets = [CHAT, ...Object.keys(DIALECTS)].map((path) => ({
    ...gateway,
    name: path,
    path,
    requests: 0,
  }));
  const { rows } = await inRounds(targets, rounds, {
    label: 'dialects',
    progress,
    warmUp: warmUp(warmUps),
    one: async (target, round) => {
      const streams = { kind: 'stream', streams: count, chunks };
      if (round === 0) await measure(target, { ...streams, burst: true });
      const whole = await measure(target, { kind: 'json', connections: 32, seconds });
      const paced = await measure(target, {
        ...streams,
        interval,
        chunks: Math.round((seconds * 1_000) / interval),
      });
      const burst = await measure(target, { ...streams, burst: true });
      return {
        cpuPerRequest: whole.cpu / whole.answered,
        cpuPerPacedEvent: paced.cpu / paced.events,
        cpuPerBurstEvent: burst.cpu / burst.events,
        failed: whole.failed + paced.failed + burst.failed,
      };
    },
  });
  gateway.requests = targets.reduce((sum, { requests }) => sum + requests, gateway.requests ?? 0);
  const toChat = (field) =>
    targets.map(({ name }) => ({
      path: name,
      value: median(rows[name].map((row) => row[field])),
      ratio: median(rows[name].map((row, at) => row[field] / rows[CHAT][at][field])),
    }));
  return {
    requests: toChat('cpuPerRequest'),
    pacedEvents: toChat('cpuPerPacedEvent'),
    burstEvents: toChat('cpuPerBurstEvent'),
    failed: targets.reduce((sum, { name }) => sum + rows[name].reduce((all, row) => all + row.failed, 0), 0),
  };
}

module.exports = { dialects };
