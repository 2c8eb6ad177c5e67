'use strict';
const os = require('node:os');
const { admissionLines } = require('./admission/lines');

const number = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** What is printed of every target: scenario, field, label, digits. */
const ROWS = [
  ['json', 'cpuPerRequest', 'CPU per JSON request, µs', 0],
  ['json', 'databaseCpuPerRequest', 'PostgreSQL CPU per JSON request, µs', 0],
  ['json', 'perSecond', 'JSON requests a second, 32 connections', 0],
  ['json', 'p50', 'JSON latency p50 at the rate, ms', 2],
  ['json', 'p99', 'JSON latency p99 at the rate, ms', 2],
  ['firstBytes', 'p50', 'first byte p50 at the rate, ms', 2],
  ['firstBytes', 'p99', 'first byte p99 at the rate, ms', 2],
  ['streams', 'cpuPerEvent', 'CPU per paced event, µs', 1],
  ['streams', 'delayP50', 'event delay p50, 200 streams, ms', 2],
  ['streams', 'delayP99', 'event delay p99, 200 streams, ms', 2],
  ['light', 'delayP50', 'event delay p50, light load, ms', 3],
  ['light', 'delayP99', 'event delay p99, light load, ms', 3],
  ['burst', 'cpuPerEvent', 'CPU per burst event, µs', 2],
  ['burst', 'eventsPerSecond', 'burst events a second', 0],
  ['idle', 'megabytesPer1000', 'memory per 1,000 idle streams, MB', 1],
];

/** The figures as a table in Markdown: medians of the rounds; in brackets the median of the ratios to nginx. */
function table(figures, names) {
  const lines = [`| figure | ${names.join(' | ')} |`, `| ------ |${' ------ |'.repeat(names.length)}`];
  for (const [scenario, field, label, digits] of ROWS) {
    const { medians, toNginx } = figures[scenario] ?? {};
    if (!medians) continue;
    const cells = names.map((name) => {
      const value = number(medians[name]?.[field], digits);
      const ratio = toNginx?.[name]?.[field];
      return Number.isFinite(ratio) && name !== 'nginx' ? `${value} (${ratio.toFixed(2)}x)` : value;
    });
    lines.push(`| ${label} | ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

/** A line for each goal. */
function goalLines(results) {
  return results.map(({ id, name, unit, value, goal, least, met, gate, holds }) => {
    const figure = `${number(value)}${unit ? ` ${unit}` : ''}`;
    const wanted = `goal ${least ? 'at least' : 'at most'} ${goal}`;
    const verdict = met === null ? 'cannot be told' : met ? 'met' : 'missed';
    const gated = gate === undefined || holds === null ? '' : `; gate ${gate}: ${holds ? 'ok' : 'FAILED'}`;
    return `${id.padEnd(4)}${name}: ${figure} (${wanted}: ${verdict}${gated})`;
  });
}

/** What a reader needs to judge the figures by. A busy machine shows in its load. */
function machineFacts(nginx) {
  const [cpu] = os.cpus();
  const load = os.loadavg()[0].toFixed(1);
  const memory = (os.totalmem() / 1_073_741_824).toFixed(0);
  return (
    `${new Date().toISOString().slice(0, 10)}: ${os.cpus().length} cores (${cpu?.model.trim()}), ${memory} GB, ` +
    `load ${load}, Node ${process.version}, nginx ${nginx ?? 'not installed'}`
  );
}

/** What is of the gateway alone. */
function moreLines({ admission, dialects, steady, statements, workers, connections }) {
  const list = (field) => steady.slices.map((row) => number(row[field], 0)).join(', ');
  const lines = admission ? admissionLines(admission) : [];
  if (statements) {
    const of = ({ statements: count, walBytes }) =>
      `${number(count)} and ${number(walBytes, 0)} bytes of WAL`;
    lines.push(
      `Statements per request at the rate: ${of(statements.busy)}; one client: ${of(statements.idle)}.`,
    );
  }
  if (steady) {
    lines.push(
      `Slices of ${steady.slices[0].requests} requests: memory ${list('megabytes')} MB; CPU per request ` +
        `${list('cpuPerRequest')} µs; PostgreSQL CPU per request ${list('databaseCpuPerRequest')} µs.`,
    );
  }
  if (workers) {
    lines.push(
      `${workers.workers} workers beside one: ${number(workers.perSecond)}x requests a second, ` +
        `${number(workers.eventsPerSecond)}x events a second, CPU ${number(workers.cpuPerRequest)}x a request and ` +
        `${number(workers.cpuPerEvent)}x an event; cores free for workers: ${workers.freeCores}.`,
    );
  }
  if (dialects) {
    const of = (list) =>
      list.map(({ path, value, ratio }) => `${path} ${number(value, 1)} µs (${number(ratio)}x)`).join(', ');
    lines.push(
      `CPU beside a chat's: per request ${of(dialects.requests)}; per paced event ${of(dialects.pacedEvents)}; ` +
        `per burst event ${of(dialects.burstEvents)}.`,
    );
  }
  if (connections) {
    lines.push(
      `Beside ${connections.count} idle connections: p50 ${number(connections.p50Beside)} ms, ` +
        `alone ${number(connections.p50Alone)} ms.`,
    );
  }
  return lines;
}

module.exports = { goalLines, machineFacts, moreLines, table };
