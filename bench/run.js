'use strict';
/**
 * `npm run bench`: the gateway beside nginx and no proxy at all, in interleaved rounds on this machine, CPU taken from
 * the operating system. `-- --smoke` is shorter and fails when a gate does not hold.
 */
const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { gates, summary } = require('./gates');
const { start, stop } = require('./processes');
const { freePort } = require('./ports');
const { machineFacts, steadyLines, table } = require('./report');
const { idle } = require('./scenarios/idle');
const { json } = require('./scenarios/json');
const { steady } = require('./scenarios/steady');
const { streams } = require('./scenarios/streams');
const { startGateway } = require('./targets/gateway');
const { startNginx } = require('./targets/nginx');

const FULL = {
  rounds: 3,
  seconds: 5,
  rate: 300,
  streams: 200,
  interval: 20,
  streamRounds: 3,
  streamSeconds: 10,
  idle: 1_000,
  steady: { slices: 6, seconds: 10, rate: 300 },
};
const SMOKE = {
  rounds: 2,
  seconds: 2,
  rate: 300,
  streams: 200,
  interval: 20,
  streamRounds: 1,
  streamSeconds: 8,
  idle: 1_000,
};

const progress = (text) => console.log(`… ${text}`);

async function main() {
  if (process.platform !== 'linux')
    throw new Error('The benchmark reads CPU times from /proc: run it on Linux.');
  const smoke = process.argv.includes('--smoke');
  const size = smoke ? SMOKE : FULL;
  const upstream = await start(process.execPath, [join(__dirname, 'upstream.js')], {
    label: 'the upstream',
    ready: /upstream on (\d+)/,
  });
  const upstreamPort = Number(upstream.found[1]);
  const direct = { name: 'direct', port: upstreamPort, key: 'none' };
  let nginx = null;
  let gateway = null;
  try {
    nginx = await startNginx({ upstreamPort, port: await freePort() });
    gateway = await startGateway({ upstreamPort, port: await freePort() });
    if (!nginx) console.log('nginx is not installed: its column is left out.');
    const targets = [direct, ...(nginx ? [nginx] : []), gateway];
    const { rounds, seconds, rate } = size;
    const figures = {
      // First: its figure needs a heap that no other scenario has filled.
      idle: await idle(targets, { count: size.idle, progress }),
      json: await json(targets, { rounds, seconds, rate, progress }),
      streams: await streams(targets, {
        rounds: size.streamRounds,
        seconds: size.streamSeconds,
        count: size.streams,
        interval: size.interval,
        progress,
      }),
      steady: size.steady && (await steady(gateway, { ...size.steady, progress })),
    };
    // Abandoned streams are settled a moment after their client has gone.
    await sleep(2_000);
    figures.ledger = { rows: await gateway.ledgerRows(), requests: gateway.requests };
    report(figures, { smoke, nginx: nginx?.version, memory: gateway.memory() });
  } finally {
    await gateway?.stop();
    await nginx?.stop();
    await stop(upstream.child);
  }
}

function report(figures, { smoke, nginx, memory }) {
  const machine = machineFacts(nginx);
  console.log(`\n${machine}; gateway after the run: ${(memory / 1_048_576).toFixed(0)} MB\n`);
  console.log(`${table(figures)}\n${steadyLines(figures.steady)}`);
  const results = gates(figures);
  mkdirSync(join(__dirname, 'results'), { recursive: true });
  const name = `${new Date().toISOString().replaceAll(':', '-')}${smoke ? '-smoke' : ''}.json`;
  const all = { machine, memory, ...figures, gates: results };
  writeFileSync(join(__dirname, 'results', name), JSON.stringify(all, null, 2));
  const { lines, failed } = summary(results);
  console.log(lines.join('\n'));
  if (smoke && failed > 0) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
