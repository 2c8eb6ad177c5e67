'use strict';
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { cpuOf, memoryOf, postgresAt, start, stop } = require('../processes');

/** The gateway as it ships: accounts, limits, metering, the ledger, one line of log a request. */
async function startGateway({ upstreamPort, port }) {
  const dataDir = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'));
  const { child } = await start(process.execPath, [join(__dirname, '..', '..', 'dist', 'src', 'main.js')], {
    label: 'the gateway',
    ready: /listening/i,
    env: {
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
  const user = await register(url);
  const pid = child.pid;
  return {
    name: 'gateway',
    port,
    key: user.key,
    cpu: () => cpuOf(pid),
    memory: () => memoryOf(pid),
    databaseCpu: () => postgresAt(dataDir).reduce((sum, one) => sum + cpuOf(one), 0),
    ledgerRows: () => ledgerRows(url, user),
    stop: async () => {
      await stop(child);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const CREDENTIALS = { username: 'bench', password: 'a long bench pass phrase 1' };

async function register(url) {
  const { api_key: key } = await post(`${url}/auth/register`, CREDENTIALS);
  const { access_token: token } = await post(`${url}/auth/token`, CREDENTIALS);
  return { key, token };
}

/** How many generations the ledger knows. */
async function ledgerRows(url) {
  const { access_token: token } = await post(`${url}/auth/token`, CREDENTIALS);
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
