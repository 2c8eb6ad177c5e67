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
function gates({ json, streams, idle, steady, ledger }) {
  const added = json.gateway.p50AtRate - json.direct.p50AtRate;
  const memory = idle.gateway.megabytesPer1000;
  const runs = [json.gateway, streams.gateway, idle.gateway, ...(steady ?? [])];
  const failed = runs.reduce((sum, { failed: some }) => sum + some, 0);
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

/** A line for each gate, and a last one that counts them. */
function summary(results) {
  const count = (wanted) => results.filter((result) => verdict(result) === wanted).length;
  const lines = results.map((result) => `${verdict(result)}: ${result.name} (${result.figures})`);
  const [failed, missed, skipped] = ['FAILED', 'goal missed', 'skipped'].map(count);
  const also = [...(missed ? [`${missed} goal missed`] : []), ...(skipped ? [`${skipped} skipped`] : [])];
  return { failed, lines: [...lines, [...also, `${count('ok')} passed, ${failed} failed`].join(', ')] };
}

function verdict({ holds, goal }) {
  if (holds === null) return 'skipped';
  if (goal) return holds ? 'goal met' : 'goal missed';
  return holds ? 'ok' : 'FAILED';
}

module.exports = { gates, summary };
