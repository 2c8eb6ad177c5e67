'use strict';
/**
 * `npm run bench`: the gateway beside nginx and no proxy at all, in interleaved rounds on this machine, CPU taken from
 * the operating system. `-- --smoke` is shorter and fails when a gate does not hold twice. `--only json,burst` runs
 * some scenarios, `--rounds N` changes how often, `--build name=directory` adds another build of the gateway
 * (`--build-flags ''`: with other flags of Node), `--peer` and `--portkey` other gateways (targets/peers.js).
 */
const { setTimeout: sleep } = require('node:timers/promises');
const { judge } = require('./goals');
const options = require('./options');
const { freePort } = require('./ports');
const { goalLines, machineFacts, moreLines, table } = require('./report');
const { keep } = require('./results');
const { aborts } = require('./scenarios/aborts');
const { admission } = require('./scenarios/admission');
const { bare } = require('./scenarios/bare');
const { connections } = require('./scenarios/connections');
const { dialects } = require('./scenarios/dialects');
const { firstBytes } = require('./scenarios/first-bytes');
const { idle } = require('./scenarios/idle');
const { json } = require('./scenarios/json');
const { slowReaders } = require('./scenarios/slow-readers');
const { statements } = require('./scenarios/statements');
const { steady } = require('./scenarios/steady');
const { burst, light, streams } = require('./scenarios/streams');
const { workers } = require('./scenarios/workers');
const { FULL, SMOKE } = require('./sizes');
const { startGateway } = require('./targets/gateway');
const { startNginx } = require('./targets/nginx');
const { peersOf, startPortkey } = require('./targets/peers');
const { startUpstream } = require('./targets/upstream');

const SCENARIOS = {
  aborts,
  admission,
  bare,
  burst,
  connections,
  dialects,
  firstBytes,
  idle,
  json,
  light,
  slowReaders,
  statements,
  steady,
  streams,
  workers,
};
/** How long the ledger is waited for at the end. */
const SETTLED_WITHIN_S = 30;
const progress = (text) => console.log(`… ${text}`);

function chosen() {
  const sizes = options.has('smoke') ? SMOKE : FULL;
  const only = options.text('only')?.split(',') ?? Object.keys(sizes);
  const unknown = only.find((name) => !SCENARIOS[name]);
  if (unknown)
    throw new Error(`There is no scenario ${unknown}; there are ${Object.keys(SCENARIOS).join(', ')}.`);
  const rounds = options.number('rounds');
  const sized = (name) => ({ ...(sizes[name] ?? FULL[name]), ...(rounds ? { rounds } : {}) });
  return Object.fromEntries(only.map((name) => [name, sized(name)]));
}

async function startTargets(upstreamPort) {
  const nginx = await startNginx({ upstreamPort, port: await freePort() });
  if (!nginx) console.log('nginx is not installed: its column is left out.');
  const gateway = await startGateway({ upstreamPort });
  const [name, build] = options.text('build')?.split('=') ?? [];
  const flags = options.text('build-flags')?.split(' ').filter(Boolean);
  const other = build ? await startGateway({ upstreamPort, name, build, flags }) : null;
  const portkey = options.has('portkey') ? await startPortkey({ upstreamPort, say: console.log }) : null;
  const direct = { name: 'direct', port: upstreamPort, key: 'none', stop: () => undefined };
  const targets = [direct, nginx, gateway, other, portkey, ...peersOf(options.args)].filter(Boolean);
  return { targets, gateway, nginx };
}

async function main() {
  if (process.platform !== 'linux')
    throw new Error('The benchmark reads CPU times from /proc: run it on Linux.');
  const sizes = chosen();
  const upstream = await startUpstream(options.number('upstream-port', 0));
  const bench = { upstreamPort: upstream.port, targets: [], progress };
  try {
    Object.assign(bench, await startTargets(upstream.port));
    const figures = {};
    const run = async (name) => (figures[name] = await SCENARIOS[name](bench, sizes[name]));
    for (const name of Object.keys(sizes)) await run(name);
    const counted = await finish(bench, figures, { rows: 0, requests: 0 });
    let results = judge(figures);
    if (options.has('smoke')) {
      // A busy machine may spoil a figure once.
      const again = toRepeat(results, figures);
      for (const name of Object.keys(sizes)) if (again.has(name)) await run(name);
      if (again.size > 0) await finish(bench, figures, counted);
      results = judge(figures);
    }
    report(bench, figures, results);
  } finally {
    for (const target of bench.targets.toReversed()) await target.stop();
    await upstream.stop();
  }
}

/** The scenarios whose gates do not hold, and those in which a request failed: whose failure it is, no gate can tell. */
function toRepeat(results, figures) {
  const names = results.filter(({ holds }) => holds === false).map(({ from }) => from);
  // Which requests are missing in the ledger nobody knows: as many are sent once more.
  if (names.includes('ledger')) names.push('statements');
  for (const [name, { failed }] of Object.entries(figures))
    if (SCENARIOS[name] && failed > 0) names.push(name);
  return new Set(names);
}

/**
 * What can only be told at the end.
 * @param before what of the ledger and the requests has been judged already
 * @returns the same, now
 */
async function finish({ gateway }, figures, before) {
  let now;
  // Abandoned streams are settled a moment after their client has gone; on a slow machine it may be a longer one.
  for (let waited = 0; waited < SETTLED_WITHIN_S; waited += 2) {
    await sleep(2_000);
    now = { rows: await gateway.ledgerRows(), requests: gateway.requests };
    figures.ledger = { rows: now.rows - before.rows, requests: now.requests - before.requests };
    if (figures.ledger.rows >= figures.ledger.requests) break;
  }
  figures.memory = { megabytes: gateway.memory() / 1_048_576 };
  const counts = Object.values(figures).map(({ failed }) => failed ?? 0);
  figures.failures = { failed: counts.reduce((sum, count) => sum + count, 0) };
  return now;
}

function report({ targets, nginx }, figures, results) {
  const machine = machineFacts(nginx?.version);
  const names = targets.map(({ name }) => name);
  console.log([`\n${machine}\n`, table(figures, names), '', ...moreLines(figures), ''].join('\n'));
  console.log(goalLines(results).join('\n'));
  const smoke = options.has('smoke');
  keep(smoke ? 'smoke' : 'full', { machine, ...figures, goals: results });
  const failed = results.filter(({ holds }) => holds === false).length;
  const passed = results.filter(({ holds }) => holds === true).length;
  console.log(`${passed} gates passed, ${failed} failed`);
  if (smoke && failed > 0) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
