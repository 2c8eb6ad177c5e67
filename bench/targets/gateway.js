'use strict';
const { randomBytes } = require('node:crypto');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { cpuOf, cpuOfTree, memoryOf, postgresIn, start, stop } = require('../processes');

/**
 * The gateway as it ships: accounts, limits, metering, the ledger, one line of log a request. On the embedded
 * PostgreSQL, or on the one of DATABASE_URL when the environment names it; a `.env` file never does, because what is
 * measured is also written.
 */
async function startGateway({ upstreamPort, port }) {
  const dataDir = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'));
  const { child } = await start(process.execPath, [join(__dirname, '..', '..', 'dist', 'src', 'main.js')], {
    label: 'the gateway',
    ready: /listening/i,
    cwd: dataDir,
    env: {
      ...(process.env.DATABASE_URL ? { MIGRATE_ON_START: 'true' } : {}),
      NODE_ENV: 'production',
      ALLOW_EMBEDDED_DATABASE: 'true',
      ALLOW_GENERATED_SECRETS: 'true',
      REGISTRATION: 'open',
      DATA_DIR: dataDir,
      PORT: String(port),
      METRICS_PORT: '0',
      VLLM_BASE_URL: `http://127.0.0.1:${upstreamPort}`,
      DEFAULT_TOKEN_LIMIT: '1000000000000',
    },
  });
  const url = `http://127.0.0.1:${port}`;
  const credentials = {
    username: `bench-${randomBytes(6).toString('hex')}`,
    password: randomBytes(18).toString('base64url'),
  };
  const { api_key: key } = await post(`${url}/auth/register`, credentials);
  const pid = child.pid;
  const database = postgresIn(dataDir);
  return {
    name: 'gateway',
    port,
    key,
    cpu: () => cpuOf(pid),
    memory: () => memoryOf(pid),
    databaseCpu: () => (database === null ? NaN : cpuOfTree(database)),
    ledgerRows: () => ledgerRows(url, credentials),
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
