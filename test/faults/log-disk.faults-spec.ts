import { ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, emptyFolder, freePort, listens, ROOT, ensureBuilt } from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { isRunning } from '../support/worker-processes';

/** Lines of which four times as many fill a pipe or a socket that nobody reads. */
const MANY = 400;
const FEW = 40;
const ANSWER_MS = 10_000;
/** An end takes a second of last words at most; closing takes its time, too, and more on a slow machine. */
const END_MS = 60_000;

let database: TestDatabase;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  await ensureBuilt();
  database = await createDatabase();
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await cleanUp();
  await database.drop();
});

interface Started {
  readonly url: string;
  readonly metricsUrl: string;
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

/** A gateway that serves, and whose stdout is what is given here. */
async function start(stdout: number | 'pipe', settings: Record<string, string> = {}): Promise<Started> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'src', 'main.js')], {
    cwd: emptyFolder(),
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.url,
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      ...settings,
    },
    stdio: ['ignore', stdout, 'inherit'],
  });
  children.add(child);
  const ended = new Promise((resolve) =>
    child.once('exit', (code, signal) => {
      children.delete(child);
      resolve(code ?? signal);
    }),
  );
  while (!(await listens(port)) || !(await listens(metricsPort))) await sleep(50);
  return {
    url: `http://127.0.0.1:${port}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    child,
    ended,
  };
}

/** Requests that are served, each on a connection of its own and with a line in the log. */
async function ask({ url }: Started, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const answer = await fetch(`${url}/v1/models`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    expect(answer.status).toBe(401);
  }
}

/** Such requests one after another on one connection. */
async function askInARow({ url }: Started, times: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let n = 0; n < times; n += 1) {
    const asked = get(`${url}/v1/models`, { agent, timeout: ANSWER_MS });
    asked.once('timeout', () => asked.destroy(new Error('No answer in time.')));
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(401);
    await once(answer.resume(), 'end');
  }
  agent.destroy();
}

async function endsInOrder({ child, ended }: Started): Promise<void> {
  child.kill('SIGTERM');
  expect(await Promise.race([ended, sleep(END_MS, 'still there', { ref: false })])).toBe(0);
}

if (process.platform === 'linux') {
  it.each(['1', '2'])('with %s worker(s) it serves onto a full disk, and ends in order', async (WORKERS) => {
    const full = openSync('/dev/full', 'a');
    const gateway = await start(full, { WORKERS });
    closeSync(full);
    await ask(gateway, FEW);
    await endsInOrder(gateway);
  });
}

it('serves while nobody reads its output, and ends in order all the same', async () => {
  const pipe = join(emptyFolder(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const unread = openSync(pipe, constants.O_RDWR);
  const gateway = await start(unread);
  // More than Linux keeps in a pipe.
  await askInARow(gateway, 2 * MANY);
  await ask(gateway, 1);
  await endsInOrder(gateway);
  closeSync(unread);
});

if (process.platform === 'linux') {
  const named = () => {
    const pipe = join(emptyFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    return openSync(pipe, constants.O_RDWR);
  };
  // What a program in Node or systemd gives those whom it starts; its other end is here, and is not read.
  const socket = () => 'pipe' as const;

  it.each([
    ['pipe', named],
    ['socket', socket],
  ])('replaces a worker, serves and ends in order while nobody reads its %s', async (_what, unread) => {
    const gateway = await start(unread(), { WORKERS: '2' });
    const pids = () => childrenOf(gateway.child.pid as number);
    while (pids().length < 2) await sleep(50);
    // More than Linux keeps for either.
    await askInARow(gateway, 4 * MANY);
    await ask(gateway, 1);
    const [first] = pids() as [number, number];
    // It ends in order, and what its Node does last is to say that writes of all of them wait again.
    process.kill(first, 'SIGTERM');
    do await ask(gateway, 1);
    while (pids().includes(first) || pids().length < 2);
    const served = async () => (await fetch(gateway.metricsUrl)).text();
    while (!/^llm_gateway_workers 2$/m.test(await served())) await ask(gateway, 1);
    expect(await served()).toMatch(/^llm_gateway_worker_restarts_total 1$/m);
    await ask(gateway, FEW);
    const workers = pids();
    await endsInOrder(gateway);
    expect(workers.filter(isRunning)).toEqual([]);
  });
}

const refusal = mountRefusal();

if (refusal === null) {
  it('writes its log again when there is room on the disk', async () => {
    const disk = join(emptyFolder(), 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
    try {
      const log = join(disk, 'log');
      const stdout = openSync(log, 'a');
      const gateway = await start(stdout);
      closeSync(stdout);
      const filler = join(disk, 'filler');
      expect(() => writeFileSync(filler, Buffer.alloc(512 * 1_024))).toThrow('ENOSPC');
      await ask(gateway, FEW);
      expect((await fetch(gateway.metricsUrl)).status).toBe(200);

      rmSync(filler);
      const text = () => readFileSync(log, 'utf8');
      while (requestsIn(text()) < FEW) await sleep(50);
      await ask(gateway, 1);
      while (requestsIn(text()) < FEW + 1) await sleep(50);
      await endsInOrder(gateway);
      expect(text()).toMatch(/stopped\n$/);
    } finally {
      execFileSync('umount', ['--lazy', disk]);
    }
  });
} else {
  it.todo(`writes its log again when there is room on the disk (not tried: ${refusal})`);
}

/** Lines of requests; each must be whole. */
function requestsIn(text: string): number {
  const lines = text.split('\n').slice(0, -1);
  return lines
    .filter((line) => line.startsWith('{"level"'))
    .map((line) => JSON.parse(line) as { path?: string })
    .filter(({ path }) => path === '/v1/models').length;
}

/** Process ids of those that a process has started and that are there. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Why no disk of our own can be had here; null when one can. */
function mountRefusal(): string | null {
  const folder = emptyFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder], { stdio: 'pipe' });
    execFileSync('umount', [folder], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? '';
  }
}
