'use strict';
const os = require('node:os');

const number = (value, digits = 1) => (value === null || value === undefined ? '-' : value.toFixed(digits));
const ratio = (a, b, digits = 1) => (a && b ? `${(a / b).toFixed(digits)}x` : '-');

/** The figures as a table in Markdown. Ratios are to nginx in the same run. */
function table({ json, streams, idle }) {
  const rows = [
    ['CPU per JSON request, µs', json, 'cpuPerRequest', 0],
    ['PostgreSQL CPU per JSON request, µs', json, 'databaseCpuPerRequest', 0],
    ['JSON requests a second, 32 connections', json, 'perSecond', 0],
    ['JSON latency p50 at the fixed rate, ms', json, 'p50AtRate', 2],
    ['JSON latency p99 at the fixed rate, ms', json, 'p99AtRate', 2],
    ['CPU per paced event, µs', streams, 'cpuPerEvent', 1],
    ['event delay p50, ms', streams, 'delayP50', 2],
    ['event delay p99, ms', streams, 'delayP99', 2],
    ['first event p50, ms', streams, 'firstEventP50', 2],
    ['memory per 1,000 idle streams, MB', idle, 'megabytesPer1000', 1],
  ];
  const lines = [
    '| figure | direct | nginx | gateway | gateway / nginx |',
    '| ------ | ------ | ----- | ------- | --------------- |',
  ];
  for (const [label, group, field, digits] of rows) {
    const of = (name) => group[name]?.[field];
    const [direct, nginx, gateway] = ['direct', 'nginx', 'gateway'].map(of);
    lines.push(
      `| ${label} | ${number(direct, digits)} | ${number(nginx, digits)} | ${number(gateway, digits)} | ${ratio(gateway, nginx)} |`,
    );
  }
  return lines.join('\n');
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

/** Whether anything grew while the load stayed the same. */
function steadyLines(rows) {
  if (!rows) return '';
  const list = (field) => rows.map((row) => number(row[field], 0)).join(', ');
  return [
    `Slices of ${rows[0].requests} requests: memory ${list('megabytes')} MB; CPU per request ${list('cpuPerRequest')} µs;`,
    `PostgreSQL CPU per request ${list('databaseCpuPerRequest')} µs.\n\n`,
  ].join(' ');
}

module.exports = { machineFacts, steadyLines, table };
