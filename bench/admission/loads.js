'use strict';
// The two things that are compared: our admission with its settlement, and a bare UPDATE … RETURNING a request.

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { Pool } = require('pg');
const { keyId, userId } = require('./database');

const CONNECTIONS = 8;
const LAST_OF_WAIT_MS = 1.5;
const BARE = 'UPDATE bare SET used = used + 1 WHERE id = $1 RETURNING used';

function bareLoad(url) {
  const pool = new Pool({ connectionString: url, max: CONNECTIONS });
  // The end of the pool does not wait for that of its connections, and the server is stopped right after it.
  pool.on('error', () => undefined);
  return {
    one: (user) => pool.query({ name: 'bare', text: BARE, values: [user] }),
    workers: CONNECTIONS,
    close: () => pool.end(),
  };
}

/** The services of the gateway as they ship, without HTTP before and vLLM behind them. */
async function ourLoad(url) {
  process.env.NODE_ENV = 'production';
  const { NestFactory } = require('@nestjs/core');
  const { Module } = require('@nestjs/common');
  const { ConfigModule } = require('../../dist/src/config/config.module');
  const { loadEnv } = require('../../dist/src/config/load-env');
  const { DatabaseModule } = require('../../dist/src/database/database.module');
  const { ObservabilityModule } = require('../../dist/src/observability/observability.module');
  const { AdmissionModule } = require('../../dist/src/usage/admission/admission.module');
  const { AdmissionService } = require('../../dist/src/usage/admission/admission.service');
  const { SettlementService } = require('../../dist/src/usage/admission/settlement.service');
  const { v7: uuidV7 } = require('uuid');
  const dataDir = mkdtempSync(join(tmpdir(), 'bench-admission-data-'));
  const env = loadEnv({
    DATABASE_URL: url,
    DATA_DIR: dataDir,
    METRICS_PORT: '0',
    LOG_LEVEL: 'error',
  });
  class Root {}
  Module({ imports: [ConfigModule.forEnv(env), DatabaseModule, ObservabilityModule, AdmissionModule] })(Root);
  const app = await NestFactory.createApplicationContext(Root, { logger: false });
  const admission = app.get(AdmissionService, { strict: false });
  const settlements = app.get(SettlementService, { strict: false });
  const usage = { prompt: 300, cached: 0, completion: 40, reasoning: 0 };
  const request = (user) => ({
    requestId: uuidV7(),
    principal: { userId: userId(user), apiKeyId: keyId(user), username: '', role: 'user', via: 'api_key' },
    endpoint: 'chat_completions',
    model: 'model',
    stream: false,
    generates: true,
    promptBound: 300,
    want: 1_000,
    minimum: 316,
    idempotencyKey: null,
  });
  const admit = async (user) => {
    const asked = request(user);
    const verdict = await admission.decide(asked);
    if (verdict.kind !== 'admitted') throw new Error(`not admitted: ${JSON.stringify(verdict)}`);
    return asked;
  };
  const settle = ({ requestId, principal, endpoint, model, stream }) =>
    settlements.settle({
      requestId,
      userId: principal.userId,
      apiKeyId: principal.apiKeyId,
      endpoint,
      model,
      stream,
      outcome: 'completed',
      source: 'exact',
      status: 200,
      usage,
      timeToFirstTokenMs: 10,
      durationMs: 20,
    });
  return {
    one: async (user) => settle(await admit(user)),
    admit,
    settle,
    // As many requests as a busy gateway has between admission and settlement.
    workers: 128,
    close: async () => {
      await settlements.drained();
      await app.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** As fast as it goes for so many seconds. @returns how many, and a second */
async function closedLoop(load, pick, seconds) {
  const endsAt = performance.now() + seconds * 1_000;
  const startedAt = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() < endsAt) {
      await load.one(pick());
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: load.workers }, worker));
  return { done, rate: done / ((performance.now() - startedAt) / 1_000) };
}

/**
 * Timers of Node come by whole milliseconds, before their time as well as after it, and what is measured takes a fraction
 * of one: the last of the wait is spent going round the event loop.
 */
async function untilDue(due) {
  const wait = due - performance.now() - LAST_OF_WAIT_MS;
  if (wait > 0) await sleep(wait);
  while (performance.now() < due) await turn();
}

/** At a constant rate, whether or not earlier ones were answered. @returns latencies from the due time, in milliseconds */
async function constantRate(one, pick, { rate, seconds, after = () => undefined }) {
  const latencies = [];
  const running = [];
  const startedAt = performance.now();
  for (let index = 0; index < rate * seconds; index += 1) {
    const due = startedAt + (index * 1_000) / rate;
    await untilDue(due);
    running.push(
      one(pick()).then((answer) => {
        latencies.push(performance.now() - Math.max(due, startedAt));
        return after(answer);
      }),
    );
  }
  await Promise.all(running);
  latencies.sort((a, b) => a - b);
  return { p50: latencies[latencies.length >> 1], p99: latencies[Math.floor(latencies.length * 0.99)] };
}

module.exports = { bareLoad, ourLoad, closedLoop, constantRate };
