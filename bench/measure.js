'use strict';
const { spawn } = require('node:child_process');
const { join } = require('node:path');

/** Runs one load against a target and adds what it cost there, in microseconds of CPU; NaN where nobody can tell. */
async function measure(target, plan) {
  const cpu = target.cpu?.() ?? NaN;
  const database = target.databaseCpu?.() ?? NaN;
  const result = await runLoad({ ...plan, port: target.port, key: target.key });
  target.requests = (target.requests ?? 0) + result.sent;
  return {
    ...result,
    cpu: (target.cpu?.() ?? NaN) - cpu,
    databaseCpu: (target.databaseCpu?.() ?? NaN) - database,
  };
}

function runLoad(plan) {
  const { result } = startLoad(plan);
  return result;
}

/** The load process, and the line it prints: with `hold` it stays until it is killed. */
function startLoad(plan) {
  const child = spawn(process.execPath, [join(__dirname, 'load.js'), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const result = new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const line = text.indexOf('\n');
      if (line !== -1) resolve(JSON.parse(text.slice(0, line)));
    });
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`the load ended with ${code}`)));
  });
  return { child, result };
}

const median = (values) => {
  const sorted = values.filter((value) => value !== null && !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[sorted.length >> 1];
};

module.exports = { measure, startLoad, median };
