import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, emptyFolder, ensureBuilt, GatewayProcess, startProcess } from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { workersOf } from '../support/worker-processes';

const PLENTY = 1_024;
/** So many starts in vain would end a primary of which nothing serves. */
const HOPELESS = 5;

const onLinux = process.platform === 'linux' ? describe : describe.skip;

/** A primary that cannot start a process while the others serve: what it needs for one comes and goes. */
onLinux('a worker that dies while there is no room for another one', () => {
  const folder = emptyFolder();
  const noMemory = join(folder, 'no-memory');
  let database: TestDatabase;
  let gateway: GatewayProcess;
  let primary = 0;

  beforeAll(async () => {
    await ensureBuilt();
    database = await createDatabase();
    gateway = await startProcess(folder, {
      WORKERS: '2',
      DATABASE_URL: database.url,
      NODE_OPTIONS: `--require=${withoutMemoryWhile(noMemory, folder)}`,
    });
    await gateway.ready();
    primary = parentOf(workersOf(gateway)[0] ?? 0);
  });
  afterAll(async () => {
    await cleanUp();
    await database.drop();
  });

  const allowFiles = (count: number) =>
    execFileSync('prlimit', [`--pid=${primary}`, `--nofile=${count}:${PLENTY}`]);

  it.each([
    [
      'of files',
      'EMFILE',
      1,
      HOPELESS,
      // What is open stays open; whatever it closes meanwhile makes no room.
      () => allowFiles(3),
      () => allowFiles(PLENTY),
    ],
    ['of memory', 'ENOMEM', 2, 2, () => writeFileSync(noMemory, ''), () => rmSync(noMemory)],
  ])('is replaced once there is: %s', async (_what, code, place, times, exhaust, relieve) => {
    exhaust();
    process.kill(workersOf(gateway)[place - 1] ?? 0, 'SIGKILL');
    const refused = new RegExp(`^.*worker ${place} did not start: .*${code}; trying again$`, 'gm');
    while ((gateway.output().match(refused)?.length ?? 0) < times) await sleep(20);
    relieve();
    await gateway.printed(`worker ${place} serves`);
    // Not at the first look if the machine stands still in it: it has a second.
    while ((await fetch(`${gateway.url}/health/ready`)).status !== 200) await sleep(100);
    expect(gateway.errors()).toBe('');
  });
});

/** @returns a program that, loaded first, lets no process start as long as a file is there. */
function withoutMemoryWhile(file: string, folder: string): string {
  const program = join(folder, 'preload.js');
  writeFileSync(
    program,
    `const processes = require('node:child_process');
    const { fork } = processes;
    processes.fork = (...rest) => {
      if (!require('node:fs').existsSync(${JSON.stringify(file)})) return fork(...rest);
      throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM', syscall: 'spawn' });
    };`,
  );
  return program;
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
