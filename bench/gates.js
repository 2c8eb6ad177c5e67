'use strict';

function against(gateway, nginx, limit, name) {
  if (nginx === undefined) return { name, holds: null, figures: 'nginx is not installed' };
  const ratio = gateway / nginx;
  return { name, holds: ratio <= limit, figures: `${ratio.toFixed(1)}x, at most ${limit}x` };
}

/**
 * What no change may make worse than. Each gives a name, whether it holds (null: cannot be told), and the figures; a
 * goal is told and fails nothing.
 */
function gates({ json, streams, idle, ledger }) {
  const added = json.gateway.p50AtRate - json.direct.p50AtRate;
  const memory = idle.gateway.megabytesPer1000;
  const failed = [json, streams, idle].reduce((sum, group) => sum + group.gateway.failed, 0);
  return [
    against(json.gateway.cpuPerRequest, json.nginx?.cpuPerRequest, 30, 'CPU per JSON request against nginx'),
    against(streams.gateway.cpuPerEvent, streams.nginx?.cpuPerEvent, 3, 'CPU per paced event against nginx'),
    {
      name: 'memory per 1,000 idle streams',
      holds: memory <= 55,
      figures: `${memory.toFixed(1)} MB, at most 55 MB`,
    },
    {
      goal: true,
      name: 'memory per 1,000 idle streams',
      holds: memory <= 25,
      figures: `${memory.toFixed(1)} MB, at most 25 MB`,
    },
    {
      goal: true,
      name: 'added p50 at the fixed rate',
      holds: added <= 3,
      figures: `${added.toFixed(2)} ms, at most 3 ms`,
    },
    { name: 'no request failed', holds: failed === 0, figures: `${failed} failed` },
    {
      name: 'one row in the ledger for each request',
      holds: ledger.rows === ledger.requests,
      figures: `${ledger.rows} rows, ${ledger.requests} requests`,
    },
  ];
}

module.exports = { gates };
