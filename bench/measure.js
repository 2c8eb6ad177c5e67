'use strict';
const { spawn } = require('node:child_process');
const { join } = require('node:path');

/** Runs one load against a target and adds what it cost there, in microseconds of CPU; NaN where nobody can tell. */
async function measure(target, plan) {
  const cpu = target.cpu?.() ?? NaN;
  const database = target.databaseCpu?.() ?? NaN;
  const { result } = startLoad(target, plan);
  const figures = await result;
  return {
    ...figures,
    cpu: (target.cpu?.() ?? NaN) - cpu,
    databaseCpu: (target.databaseCpu?.() ?? NaN) - database,
  };
}

/** The load process, and the line it prints: with `hold` it stays until it is killed. */
function startLoad(target, plan) {
  const { port, key, path, model, headers } = target;
  const child = spawn(
    process.execPath,
    [join(__dirname, 'load.js'), JSON.stringify({ port, key, path, model, headers, ...plan })],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const result = new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const line = text.indexOf('\n');
      if (line === -1) return;
      const figures = JSON.parse(text.slice(0, line));
      target.requests = (target.requests ?? 0) + figures.sent;
      resolve(figures);
    });
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`the load ended with ${code}`)));
  });
  return { child, result };
}

const median = (values) => {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[sorted.length >> 1];
};

module.exports = { measure, startLoad, median };
