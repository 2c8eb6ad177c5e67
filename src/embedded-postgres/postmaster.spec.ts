import { ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Postmaster } from './postmaster';

const data = mkdtempSync(join(tmpdir(), 'postmaster-'));
const file = join(data, 'postmaster.pid');
const postmaster = new Postmaster(data);
const children: ChildProcess[] = [];

const write = (pid: number | undefined) => writeFileSync(file, `${pid}\n${data}\n1764000000\n5433\n`);

/** With a folder that it works in, as a server does in its own. */
function workingIn(cwd: string, argv0 = 'postgres'): number | undefined {
  const words = ['-e', 'setInterval(() => undefined, 1000)', '--', '-D', '/where/it/was', '-c', 'port=5433'];
  const child = spawn(process.execPath, words, { cwd, argv0 });
  children.push(child);
  return child.pid;
}

function running(...args: string[]): number | undefined {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)', ...args]);
  children.push(child);
  return child.pid;
}

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(data, { recursive: true });
});

describe('Postmaster', () => {
  it('lives when the process of its file serves this directory', async () => {
    write(running('--', '-D', data, '-c', 'port=5433'));
    expect(postmaster.isAlive).toBe(true);
    expect(await postmaster.port()).toBe(5433);
    expect(postmaster.ofAnotherPath).toBeNull();
    await postmaster.forgetDead();
    expect(existsSync(file)).toBe(true);
  });

  it.each([
    ['a stranger', () => running()],
    ['the PostgreSQL of another directory', () => running('--', '-D', `${data}-2`, '-c', 'port=5433')],
  ])('is dead, and its file removed, when %s has its process id', async (_whose, pid) => {
    write(pid());
    expect(postmaster.isAlive).toBe(false);
    await postmaster.forgetDead();
    expect(existsSync(file)).toBe(false);
  });

  if (process.platform === 'linux') {
    it('lives when its folder has been renamed, and says what it was called', async () => {
      const pid = workingIn(data);
      write(pid);
      expect(postmaster.isAlive).toBe(true);
      expect(postmaster.ofAnotherPath).toEqual({ pid, path: '/where/it/was' });
      await postmaster.forgetDead();
      expect(existsSync(file)).toBe(true);
    });

    it.each([
      ['another PostgreSQL works elsewhere', () => workingIn(tmpdir())],
      ['a stranger works there', () => workingIn(data, 'sh')],
    ])('is dead when %s', (_what, pid) => {
      write(pid());
      expect([postmaster.isAlive, postmaster.ofAnotherPath]).toEqual([false, null]);
    });
  }

  it('leaves the file of a process that is gone: PostgreSQL finds lingering backends by it', async () => {
    write(spawnSync('true').pid);
    expect(postmaster.isAlive).toBe(false);
    await postmaster.forgetDead();
    expect(existsSync(file)).toBe(true);
  });

  it('has no port while there is no file, or half of one', async () => {
    writeFileSync(file, '12\n');
    expect(await postmaster.port()).toBeNull();
    rmSync(file);
    expect(await postmaster.port()).toBeNull();
    expect(postmaster.isAlive).toBe(false);
  });
});
