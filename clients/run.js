// Starts the gateway as a user would, with a simulator whose journal can be read, and runs every test file against it.
// Arguments choose test files; none means all. It needs the build in ../dist (`npm run build` in the root).

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startGateway } from './support/gateway-process.js';

/** For a whole file of tests: opencode alone takes half a minute on an idle machine, and much more on a busy one. */
const FILE_MS = 1_200_000;

const here = import.meta.dirname;
const all = readdirSync(join(here, 'test')).filter((name) => name.endsWith('.test.js'));
const chosen = process.argv.slice(2);
const files = (chosen.length > 0 ? chosen : all).map((name) => join('test', name.replace(/^test\//, '')));

const gateway = await startGateway();
let code = 1;
try {
  code = await runTests({
    GATEWAY_URL: gateway.url,
    METRICS_URL: gateway.metricsUrl,
    SIMULATOR_URL: gateway.simulatorUrl,
    FIRST_ADMIN: JSON.stringify(gateway.firstAdmin),
  });
} finally {
  if (code !== 0) process.stderr.write(`\nThe last lines of the gateway:\n${gateway.lastLines()}\n`);
  await gateway.stop();
}
process.exit(code);

// One file after the other: they share the gateway, its counters and two processor cores.
function runTests(env) {
  const runner = spawn(
    process.execPath,
    ['--test', '--test-concurrency=1', '--test-reporter=spec', `--test-timeout=${FILE_MS}`, ...files],
    { cwd: here, stdio: 'inherit', env: { ...process.env, ...env } },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => runner.kill(signal));
  return new Promise((resolve) => runner.on('exit', (exitCode) => resolve(exitCode ?? 1)));
}
