'use strict';
/**
 * `npm run bench:soak`: half an hour (`-- --seconds N`) of streams and whole answers, of which 30 % are left by their
 * client and 5 % meet an upstream that fails. Heap, memory, files, timers, sessions of PostgreSQL and connections to
 * the upstream are counted before and after; the run fails when one of them has grown over its bound, or the ledger
 * does not add up.
 */
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { measure } = require('./measure');
const options = require('./options');
const { openFilesOf } = require('./processes');
const { machineFacts } = require('./report');
const { keep } = require('./results');
const { startGateway } = require('./targets/gateway');
const { startUpstream } = require('./targets/upstream');

const MIX = { kind: 'mixed', connections: 48, aborts: 0.3, faults: 0.05 };
/** Long enough for everything to be compiled, and for pools to have their size. Seconds. */
const WARM_UP_S = 20;
/** After it idle connections to the upstream are closed, and what was left is settled. */
const CALM_MS = 8_000;

/** By how much each may have grown. */
const BOUNDS = {
  heapMegabytes: 24,
  memoryMegabytes: 64,
  openFiles: 8,
  timers: 4,
  databaseSessions: 2,
  upstreamSockets: 2,
  runningStreams: 0,
};

async function census(gateway, upstream) {
  await sleep(CALM_MS);
  // A little work, so that the garbage of the last minutes is collected and not counted.
  await measure(gateway, { kind: 'json', connections: 8, requests: 2_000 });
  await sleep(CALM_MS);
  return {
    heapMegabytes: (await gateway.metric('nodejs_heap_size_used_bytes')) / 1_048_576,
    memoryMegabytes: gateway.memory() / 1_048_576,
    openFiles: openFilesOf(gateway.pid),
    timers: await gateway.metric('nodejs_active_resources{type="Timeout"}'),
    databaseSessions: await gateway.openConnections(),
    upstreamSockets: await upstream.sockets(),
    runningStreams: await gateway.metric('running_streams'),
  };
}

/** What `npm run ledger:check` says of the gateway's database. */
function ledgerCheck(gateway) {
  const program = join(__dirname, '..', 'dist', 'src', 'ledger-check', 'main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    cwd: gateway.dataDir,
    env: { ...process.env, DATA_DIR: gateway.dataDir },
    encoding: 'utf8',
  });
  return { ok: status === 0, text: (stdout + stderr).trim() };
}

async function main() {
  const seconds = options.number('seconds', 1_800);
  const upstream = await startUpstream();
  let gateway = null;
  try {
    gateway = await startGateway({ upstreamPort: upstream.port });
    await measure(gateway, { ...MIX, seconds: Math.min(WARM_UP_S, seconds) });
    const before = await census(gateway, upstream);
    console.log(`… ${seconds} s`);
    const load = await measure(gateway, { ...MIX, seconds });
    const after = await census(gateway, upstream);
    report({ seconds, load, before, after, ledger: ledgerCheck(gateway) });
  } finally {
    await gateway?.stop();
    await upstream.stop();
  }
}

function report(result) {
  const { load, before, after, ledger } = result;
  const machine = machineFacts();
  const over = Object.entries(BOUNDS).filter(([name, bound]) => after[name] - before[name] > bound);
  console.log(`\n${machine}`);
  console.log(
    `${load.sent} requests: ${load.answered} whole, ${load.left} left, ${load.faults} faults, ${load.failed} failed\n`,
  );
  console.log('| what | before | after | may grow by |\n| ---- | -----: | ----: | ----------: |');
  for (const [name, bound] of Object.entries(BOUNDS))
    console.log(`| ${name} | ${before[name].toFixed(0)} | ${after[name].toFixed(0)} | ${bound} |`);
  console.log(`\nledger: ${ledger.text}`);
  const failures = [
    ...over.map(([name]) => `${name} has grown too much`),
    ...(ledger.ok ? [] : ['the ledger does not add up']),
    ...(load.failed > 0 ? [`${load.failed} requests failed that nobody had disturbed`] : []),
  ];
  keep('soak', { machine, ...result, failures });
  console.log(failures.length === 0 ? 'nothing has grown' : failures.join('\n'));
  if (failures.length > 0) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
