import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const dist = join(import.meta.dirname, '..', '..', 'dist', 'src');
const require = createRequire(import.meta.url);

const START_MS = 300_000;
const STOP_MS = 60_000;
const KEPT_LINES = 30;

/**
 * The built gateway as a process of its own: no configuration but ports and folders, so the database is the embedded
 * one. A DATABASE_URL in the environment is handed on; its database must be empty, and is migrated.
 * @param settings further variables of its environment
 */
export async function startGateway(settings = {}) {
  const { startSimulator } = require(join(dist, 'simulator', 'simulator.js'));
  const simulator = await startSimulator({
    models: [{ id: 'served-model', maxModelLen: 65_536 }],
    promptTokensDetails: true,
    reasoning: true,
    task: 'any',
  });
  const home = mkdtempSync(join(tmpdir(), 'llm-clients-'));
  const output = [];
  const child = spawn(process.execPath, [join(dist, 'main.js')], {
    cwd: home,
    env: {
      ...environment(home),
      METRICS_PORT: String(await freePort()),
      VLLM_BASE_URL: simulator.baseUrl,
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => output.push(text));
  }
  const lastLines = () => output.join('').split('\n').slice(-KEPT_LINES).join('\n');
  const stop = async () => {
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(killer);
    await simulator.close();
    const elsewhere = databaseElsewhere(home);
    if (elsewhere !== null) rmSync(elsewhere, { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const started = await Promise.race([
      firstLines(() => output.join('')),
      ended.then((code) => Promise.reject(new Error(`the gateway ended with code ${code}`))),
    ]);
    return { ...started, simulatorUrl: simulator.baseUrl, lastLines, stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}. It said:\n${lastLines()}`, { cause: error });
  }
}

/** Where the embedded database is when root runs the tests: its account may not come to our folder. */
function databaseElsewhere(home) {
  const note = join(home, 'data', 'postgres.location');
  return existsSync(note) ? readFileSync(note, 'utf8').trim() : null;
}

function environment(home) {
  const { PATH, DATABASE_URL } = process.env;
  const base = { PATH, HOME: home, DATA_DIR: join(home, 'data'), PORT: '0' };
  return DATABASE_URL ? { ...base, DATABASE_URL, MIGRATE_ON_START: 'true' } : base;
}

/** Waits for what the first start prints: where it listens, and the first admin with a ready-made opencode.json. */
async function firstLines(output) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const text = output();
    const url = /listening on (http:\S+)/.exec(text)?.[1];
    const metricsUrl = /metrics: (http:\S+)/.exec(text)?.[1];
    const opencode = /^\{\n[\s\S]*?^\}$/m.exec(text)?.[0];
    const username = /^ {2}username +(\S+)/m.exec(text)?.[1];
    const password = /^ {2}password +(\S+)/m.exec(text)?.[1];
    if (url && metricsUrl && opencode && username && password) {
      return { url, metricsUrl, firstAdmin: { username, password, opencode: JSON.parse(opencode) } };
    }
    if (Date.now() > deadline) throw new Error(`the gateway was not up after ${START_MS / 1_000} s`);
    await sleep(50);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
