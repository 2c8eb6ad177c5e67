import { ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(__dirname, '..', '..');

/** A gateway as a process of its own, started the way people start it. */
export interface GatewayProcess {
  readonly url: string;
  /** Everything it has printed so far. */
  output(): string;
  errors(): string;
  /** Resolves when `text` has been printed; rejects when the process ends before. */
  printed(text: string): Promise<void>;
  /** Resolves when it listens and has said all it says at a start. */
  ready(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** The exit code, or the signal it died of. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Builds what is not up to date, for suites that start programs. */
export async function ensureBuilt(): Promise<void> {
  const { buildIfNeeded } = require(join(ROOT, 'scripts', 'start', 'build.js')) as {
    buildIfNeeded(root: string): Promise<void>;
  };
  await buildIfNeeded(ROOT);
}

const running = new Set<ChildProcess>();
const folders: string[] = [];

/** An empty folder to start in. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-start-'));
  // As most folders are: as root, the embedded database must be able to come there.
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

interface StartOptions {
  readonly root?: string;
  readonly words?: readonly string[];
  /** How many files it may have open. */
  readonly openFiles?: number;
}

/**
 * Starts `npm start`'s program in a folder, with nothing in its environment but these settings.
 * @param program where it is, and the words of its command line
 */
export async function startProcess(
  cwd: string,
  settings: Record<string, string> = {},
  { root = ROOT, words = [], openFiles }: StartOptions = {},
): Promise<GatewayProcess> {
  const port = settings.PORT ?? String(await freePort());
  const program = [process.execPath, join(root, 'scripts', 'start.js'), ...words];
  const [command = '', ...args] =
    openFiles === undefined ? program : ['bash', '-c', `ulimit -n ${openFiles}; exec "$@"`, '-', ...program];
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, METRICS_PORT: '0', ...settings, PORT: port },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  let errors = '';
  const listeners = new Set<() => void>();
  const heard = () => listeners.forEach((listener) => listener());
  child.stdout.on('data', (chunk) => {
    output += chunk;
    heard();
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? (signal as NodeJS.Signals));
    });
  });
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!output.includes(text)) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
      void ended.then((code) => reject(new Error(`ended with ${code}: ${errors}${output}`)));
    });
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    errors: () => errors,
    printed,
    ready: () => printed('API for clients'),
    kill: (signal) => child.kill(signal),
    ended,
  };
}

/** Ends what is still running, and removes the folders. */
export async function cleanUp(): Promise<void> {
  await Promise.all(
    [...running].map((child) => {
      child.kill('SIGTERM');
      return new Promise((resolve) => child.once('close', resolve));
    }),
  );
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** What a first start prints for its admin. */
export function printedAdmin(gateway: GatewayProcess): {
  username: string;
  password: string;
  apiKey: string;
} {
  const field = (name: string) => new RegExp(`^  ${name} +(\\S+)$`, 'm').exec(gateway.output())?.[1] ?? '';
  return { username: field('username'), password: field('password'), apiKey: field('API key') };
}

/** Where the embedded database of a process listens. */
export function databasePortOf(gateway: GatewayProcess): number {
  return Number(/PostgreSQL answers on port (\d+)/.exec(gateway.output())?.[1]);
}

/** Below those that the kernel deals out, from 32768 on: nobody is given one before its program has opened it. */
const LOWEST_PORT = 20_000;
const PORTS_OF_A_WORKER = 1_500;
const WORKERS = 8;
let lastPort = Math.floor(Math.random() * PORTS_OF_A_WORKER);

export async function freePort(): Promise<number> {
  const worker = Number(process.env.JEST_WORKER_ID ?? 1) % WORKERS;
  for (;;) {
    lastPort = (lastPort + 1) % PORTS_OF_A_WORKER;
    const port = LOWEST_PORT + worker * PORTS_OF_A_WORKER + lastPort;
    if (await canBeOpened(port)) return port;
  }
}

function canBeOpened(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A port that something else listens on until the tests end. */
export async function takenPort(): Promise<number> {
  const server = createServer().unref();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Whether something listens on a port of this machine. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
