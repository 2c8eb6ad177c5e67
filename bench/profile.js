'use strict';
/**
 * `node bench/profile.js json|streams|burst`: where the CPU of the gateway goes under one kind of load, by a profile of
 * V8: share of the samples that are not idle, by function. `--keep` leaves the profile, for the tools of a browser.
 * Needs a build (npm run build).
 */
const { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { measure } = require('./measure');
const options = require('./options');
const { startGateway } = require('./targets/gateway');
const { startUpstream } = require('./targets/upstream');

const LOADS = {
  json: { kind: 'json', connections: 32, requests: 20_000 },
  streams: { kind: 'stream', streams: 200, interval: 20, chunks: 500 },
  burst: { kind: 'stream', burst: true, streams: 50, chunks: 8_000 },
};
/** Compiling is not what is looked for. */
const WARM_UP = { kind: 'json', connections: 32, requests: 4_000 };
const LINES = 40;
const WAITING = new Set(['(idle)', '(root)']);

async function main() {
  const load = LOADS[options.args[0]] ?? LOADS.json;
  const directory = mkdtempSync(join(tmpdir(), 'bench-profile-'));
  const upstream = await startUpstream();
  try {
    const nodeArguments = ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${directory}`];
    const gateway = await startGateway({ upstreamPort: upstream.port, nodeArguments });
    await measure(gateway, WARM_UP);
    const from = Number(process.hrtime.bigint() / 1_000n);
    const { cpu, answered, events } = await measure(gateway, load);
    const to = Number(process.hrtime.bigint() / 1_000n);
    console.log(`${(cpu / (events ?? answered)).toFixed(1)} µs of CPU each, the profiler's own included`);
    await gateway.stop();
    const [file] = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
    if (options.has('keep')) {
      const kept = join(mkdtempSync(join(tmpdir(), 'profile-')), file);
      copyFileSync(join(directory, file), kept);
      console.log(kept);
    }
    print(JSON.parse(readFileSync(join(directory, file), 'utf8')), { from, to });
  } finally {
    rmSync(directory, { recursive: true, force: true });
    await upstream.stop();
  }
}

/** @param profile as V8 writes it, with times of the clock that `from` and `to` are of, in microseconds */
function print({ nodes, samples, timeDeltas, startTime }, { from, to }) {
  const frames = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const [functions, parts] = [new Map(), new Map()];
  let busy = 0;
  let at = startTime;
  samples.forEach((id, index) => {
    at += timeDeltas[index];
    const { functionName, url, lineNumber } = frames.get(id);
    if (at < from || at > to || WAITING.has(functionName)) return;
    busy += 1;
    const place = url
      .replace(/^file:\/\//, '')
      .split('/')
      .slice(-3)
      .join('/');
    count(functions, `${functionName || '(anonymous)'} ${place}:${lineNumber + 1}`);
    count(parts, url === '' ? functionName : partOf(url));
  });
  for (const counts of [parts, functions]) {
    const sorted = [...counts].sort(([, a], [, b]) => b - a).slice(0, LINES);
    for (const [key, times] of sorted)
      console.log(`${((100 * times) / busy).toFixed(1).padStart(5)} %  ${key}`);
    console.log('');
  }
}

const count = (counts, key) => counts.set(key, (counts.get(key) ?? 0) + 1);

/** The package, module of Node or room of the gateway that a file belongs to. */
function partOf(url) {
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (name) return name;
  if (url.startsWith('node:')) return url.split('/').slice(0, 2).join('/').replace(/_.*/, '');
  return /dist\/(src\/[^/]+(?:\/[^/]+\/)?)/.exec(url)?.[1] ?? url;
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
