import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baseURL, MODEL } from './gateway.js';

const packages = join(import.meta.dirname, '..', 'node_modules');
const readme = join(import.meta.dirname, '..', '..', 'README.md');

/** Ends what hangs: a first use on a slow machine takes most of a minute. */
const PATIENCE_MS = 240_000;
const REAL_BINARY_BYTES = 1_000_000;

/** The opencode.json of the README, with the port of this gateway. */
export function readmeConfig() {
  const text = readFileSync(readme, 'utf8');
  const block = [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].find(([, json]) =>
    json.includes('opencode.ai'),
  );
  return JSON.parse(block[1].replaceAll('http://localhost:8002/v1', baseURL));
}

/** Where opencode keeps what it stores; its first use costs seconds, so tests share one unless they log in. */
export function makeHome() {
  const made = mkdtempSync(join(tmpdir(), 'opencode-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

let shared;

/**
 * Runs `opencode run` in an empty project with an opencode.json of its own.
 * @param prompt goes word by word, as from a shell: opencode quotes an argument that holds spaces
 * @param auth what `opencode auth login` stored: the key
 * @param onStart gets the process, to send it a signal
 */
export async function runOpencode({ config, prompt, auth, env, onStart }) {
  shared ??= makeHome();
  mkdirSync(join(shared, 'data', 'opencode'), { recursive: true });
  const stored = auth ? { 'llm-user-managed': { type: 'api', key: auth } } : {};
  writeFileSync(join(shared, 'data', 'opencode', 'auth.json'), JSON.stringify(stored), { mode: 0o600 });
  const args = ['run', '-m', `llm-user-managed/${MODEL}`, ...prompt.split(' ')];
  return opencode(args, { home: shared, config, env, onStart });
}

/** Runs opencode in an empty project, without a terminal. */
export async function opencode(args, { home, config, env = {}, onStart }) {
  const project = mkdtempSync(join(home, 'project-'));
  if (config) writeFileSync(join(project, 'opencode.json'), JSON.stringify(config));
  const startedAt = Date.now();
  const child = spawn(binary(), args, {
    cwd: project,
    env: { ...isolated(home), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A session of its own has no terminal: what asks for a key must then fail, and not wait for whoever runs the tests.
    detached: true,
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  }
  const killer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const exit = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  await onStart?.(child);
  const { code, signal } = await exit;
  clearTimeout(killer);
  return {
    code,
    signal,
    ...output,
    seconds: (Date.now() - startedAt) / 1_000,
    read: (name) => readFileSync(join(project, name), 'utf8'),
  };
}

function isolated(home) {
  return {
    PATH: process.env.PATH,
    HOME: home,
    TMPDIR: home,
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_STATE_HOME: join(home, 'state'),
    XDG_CACHE_HOME: join(home, 'cache'),
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
  };
}

/** What its own install script puts in place; npm may have been told not to run such scripts. */
function binary() {
  const path = join(packages, 'opencode-ai', 'bin', 'opencode.exe');
  if (statSync(path).size < REAL_BINARY_BYTES) {
    const { status, stderr } = spawnSync(process.execPath, ['postinstall.mjs'], {
      cwd: join(packages, 'opencode-ai'),
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`opencode could not be installed: ${stderr}`);
  }
  return path;
}
