'use strict';
const { randomBytes } = require('node:crypto');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { freePort } = require('../ports');
const { cpuOf, cpuOfTree, memoryOf, postgresIn, start, stop, workersOf } = require('../processes');
const { databaseWork, openConnections } = require('./gateway-database');

const ROOT = join(__dirname, '..', '..');
/** What `npm run start:prod` gives Node besides the program. */
const FLAGS = require('../../package.json')
  .scripts['start:prod'].split(' ')
  .filter((word) => word.startsWith('--'));
/** What the image tells the C library of memory. */
const MALLOC = Object.fromEntries(
  [...readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/\b(MALLOC_\w+)=(\d+)/g)].map(
    ([, name, value]) => [name, value],
  ),
);

/**
 * The gateway as it ships: accounts, limits, metering, the ledger, one line of log a request. On the embedded
 * PostgreSQL, or on the one of DATABASE_URL when the environment names it; a `.env` file never does, because what is
 * measured is also written.
 * @param options.preload a file of this folder that is loaded before the gateway
 * @param options.build the directory of another build, to compare with
 */
async function startGateway({
  upstreamPort,
  name = 'gateway',
  workers = 1,
  preload,
  build,
  flags = FLAGS,
  nodeArguments = [],
  settings = {},
}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'));
  const port = await freePort();
  const main = join(build ?? join(ROOT, 'dist'), 'src', 'main.js');
  const { child, found } = await start(
    process.execPath,
    [...flags, ...nodeArguments, ...(preload ? ['--require', join(__dirname, preload)] : []), main],
    {
      label: name,
      ready: /metrics: http:\/\/127\.0\.0\.1:(\d+)/,
      cwd: dataDir,
      env: {
        ...(process.env.DATABASE_URL ? { MIGRATE_ON_START: 'true' } : {}),
        ...MALLOC,
        NODE_ENV: 'production',
        ALLOW_EMBEDDED_DATABASE: 'true',
        ALLOW_GENERATED_SECRETS: 'true',
        REGISTRATION: 'open',
        DATA_DIR: dataDir,
        PORT: String(port),
        METRICS_PORT: String(await freePort()),
        WORKERS: String(workers),
        VLLM_BASE_URL: `http://127.0.0.1:${upstreamPort}`,
        DEFAULT_TOKEN_LIMIT: '1000000000000',
        // What a busy machine cannot do shall be slow here, not refused.
        SHED_AFTER_MS: '0',
        ...settings,
      },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  const credentials = {
    username: `bench-${randomBytes(6).toString('hex')}`,
    password: randomBytes(18).toString('base64url'),
  };
  const { api_key: key } = await post(`${url}/auth/register`, credentials);
  const processes = () => [
    child.pid,
    ...(workers > 1
      ? workersOf(child.pid, join(build ?? join(ROOT, 'dist'), 'src', 'startup', 'workers'))
      : []),
  ];
  const sum = (of) => processes().reduce((total, pid) => total + of(pid), 0);
  const database = postgresIn(dataDir);
  return {
    name,
    port,
    key,
    url,
    dataDir,
    pid: child.pid,
    cpu: () => sum(cpuOf),
    memory: () => sum(memoryOf),
    databaseCpu: () => (database === null ? NaN : cpuOfTree(database)),
    databaseWork: () => databaseWork(dataDir),
    openConnections: () => openConnections(dataDir),
    ledgerRows: () => ledgerRows(url, credentials),
    metric: (line) => metricOf(found[1], line),
    /** Bytes that V8 and its buffers use, garbage that has not been collected yet included. */
    usedMemory: async () =>
      (await metricOf(found[1], 'nodejs_heap_size_used_bytes')) +
      (await metricOf(found[1], 'nodejs_external_memory_bytes')),
    stop: async () => {
      await stop(child);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** How many generations of this run the ledger knows. */
async function ledgerRows(url, credentials) {
  const { access_token: token } = await post(`${url}/auth/token`, credentials);
  const answer = await fetch(`${url}/users/usage`, { headers: { authorization: `Bearer ${token}` } });
  const { totals } = await answer.json();
  return totals.requests;
}

/** One value of the gateway's metrics; 0 when it is not there. */
async function metricOf(port, line) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const found = text.split('\n').find((one) => one.startsWith(`llm_gateway_${line} `));
  return Number(found?.split(' ').at(-1) ?? 0);
}

async function post(url, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

module.exports = { startGateway };
