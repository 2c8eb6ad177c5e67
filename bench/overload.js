'use strict';
/**
 * `npm run bench:overload`: the gateway at three times what it can do, in an open loop, with shedding and without it
 * (SHED_AFTER_MS=0): what is served in time beside the peak, how soon the rest is refused, and how long the gateway
 * takes to be itself again. Whole answers of a few words, the least that a request can cost, and streams of a hundred
 * events, as short answers of a model are. `-- --seconds N` (10), `-- --times N` (3), `-- --events N` (100),
 * `-- --after N` (another SHED_AFTER_MS), `-- --only json` or `streams`,
 * `-- --shedding` without the runs that refuse nothing.
 */
const { setTimeout: sleep } = require('node:timers/promises');
const { measure, startLoad } = require('./measure');
const options = require('./options');
const { machineFacts } = require('./report');
const { keep } = require('./results');
const { startGateway } = require('./targets/gateway');
const { startUpstream } = require('./targets/upstream');
const { Env } = require('../dist/src/config/env');

const { SHED_AFTER_MS } = new Env();

/** An answer that takes longer is not waited for, as an impatient client would not. */
const GIVE_UP_MS = 5_000;
/** Connections, and so the most requests under way at once. */
const MOST_OPEN = 4_000;
/** Light load before and after, to tell when it is over. */
const LIGHT = { kind: 'json', rate: 20, seconds: 1 };
const LONGEST_RECOVERY_S = 15;
/** The first seconds belong to finding out. */
const FINDING_OUT_S = 3;

/** @param events how many each answer has; 0 for whole answers */
async function overloadOf(target, { seconds, times, events }) {
  const closed = events > 0 ? { kind: 'first-byte', chunks: events } : { kind: 'json' };
  await measure(target, { kind: 'json', connections: 32, requests: 20_000 });
  await measure(target, { ...closed, connections: 32, seconds: 2 });
  const capacity = async () => (await measure(target, { ...closed, connections: 64, seconds: 5 })).perSecond;
  const before = await capacity();
  const calm = (await measure(target, LIGHT)).p50;
  const rate = Math.round(before * times);
  console.log(
    `… ${target.name}: ${rate} requests a second for ${seconds} s, ${before.toFixed(0)} at most are possible`,
  );
  const limits = { mostOpen: MOST_OPEN, giveUpMs: GIVE_UP_MS, settledAfterMs: FINDING_OUT_S * 1_000 };
  const load = startLoad(target, { kind: 'over', rate, seconds, events, ...limits });
  const over = await load.result;
  const recovery = await recoveryTime(target, calm);
  const settled = over.bySecond.slice(FINDING_OUT_S, seconds);
  const goodput = settled.reduce((sum, count) => sum + count, 0) / Math.max(1, settled.length);
  // The machine's speed changes while this runs.
  const peak = (before + (await capacity())) / 2;
  const lag = await target.metric('nodejs_eventloop_lag_p50_seconds');
  return { name: target.name, lag, peak, rate, goodput, ofPeak: goodput / peak, recovery, ...over };
}

/** Seconds until light load is answered as before: within twice the time, and all of it. */
async function recoveryTime(target, calm) {
  const startedAt = performance.now();
  for (let second = 0; second < LONGEST_RECOVERY_S; second += 1) {
    const askedAt = performance.now();
    const { p50, failed } = await measure(target, LIGHT);
    if (failed === 0 && p50 < 2 * calm) return (askedAt - startedAt) / 1_000;
  }
  return null;
}

const number = (value, digits = 0) => (value === null ? '-' : value.toFixed(digits));

function print(result) {
  const { name, goodput, ofPeak, p50, p99, refused, refusal, withoutRetryAfter, unanswered, notSent } =
    result;
  const lines = [
    `served ${number(goodput)} a second, ${number(ofPeak, 2)} of the peak; p50 ${number(p50)} ms, p99 ${number(p99)} ms`,
    `refused ${refused} (p50 ${number(refusal.p50)} ms, p99 ${number(refusal.p99)} ms; from then on p50 ${number(result.settledRefusal.p50)} ms, p99 ${number(result.settledRefusal.p99)} ms; ${withoutRetryAfter} without Retry-After)`,
    `neither served nor refused within ${GIVE_UP_MS / 1_000} s: ${unanswered}; not sent for want of sockets: ${notSent}`,
    result.recovery === null
      ? `not itself again after ${LONGEST_RECOVERY_S} s`
      : `itself again ${number(result.recovery, 1)} s after the end`,
  ];
  console.log(`\n${name}\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/** The kinds of answers, each with and without refusals. */
function* runs() {
  const only = options.text('only');
  const after = options.text('after') ?? String(SHED_AFTER_MS);
  for (const [kind, events] of [
    ['json', 0],
    ['streams', options.number('events', 100)],
  ]) {
    if (only !== undefined && only !== kind) continue;
    yield { name: `${kind}, with shedding`, events, after };
    if (!options.has('shedding')) yield { name: `${kind}, without shedding`, events, after: '0' };
  }
}

async function main() {
  const plan = { seconds: options.number('seconds', 10), times: options.number('times', 3) };
  const upstream = await startUpstream();
  const results = [];
  try {
    for (const { name, events, after } of runs()) {
      const settings = { SHED_AFTER_MS: after };
      const gateway = await startGateway({
        upstreamPort: upstream.port,
        name,
        settings,
        build: options.text('build'),
      });
      try {
        results.push(await overloadOf(gateway, { ...plan, events }));
        await sleep(1_000);
      } finally {
        await gateway.stop();
      }
    }
  } finally {
    await upstream.stop();
  }
  const machine = machineFacts();
  console.log(`\n${machine}`);
  results.forEach(print);
  keep('overload', { machine, plan, results });
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
