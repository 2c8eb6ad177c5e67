'use strict';

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

module.exports = { table };
