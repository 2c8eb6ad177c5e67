import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** What a server wrote about itself into its cluster, held against what the operating system knows. */
export class Postmaster {
  private readonly pidFile: string;

  /** @param data the cluster's directory */
  constructor(private readonly data: string) {
    this.pidFile = join(data, 'postmaster.pid');
  }

  /** The port a server wrote down; null when there is none or it has not got so far. */
  async port(): Promise<number | null> {
    try {
      const lines = (await readFile(this.pidFile, 'utf8')).split('\n');
      return Number(lines[3]) || null;
    } catch {
      return null;
    }
  }

  /** Whether the server that wrote the file lives, be it still recovering. */
  get isAlive(): boolean {
    const pid = this.writtenPid(this.pidFile);
    return pid !== null && serves(pid, this.data);
  }

  /**
   * The server that lives in this directory and knows it by another path, as after a folder was renamed: it would not find
   * its own files any more. Null when there is none.
   */
  get ofAnotherPath(): { readonly pid: number; readonly path: string } | null {
    const pid = this.writtenPid(this.pidFile);
    if (pid === null || !serves(pid, this.data) || process.platform !== 'linux') return null;
    const words = wordsOf(pid);
    const path = words[words.indexOf('-D') + 1];
    return path === undefined || words.includes(this.data) ? null : { pid, path };
  }

  /**
   * Removes the file of a dead server whose process id a zombie or a stranger has: PostgreSQL takes any such process for
   * the server. A file whose process is gone stays, for PostgreSQL finds by it backends that have outlived their server.
   */
  async forgetDead(): Promise<void> {
    const pid = this.writtenPid(this.pidFile);
    if (pid === null || !exists(pid) || serves(pid, this.data)) return;
    const aside = `${this.pidFile}.${process.pid}`;
    try {
      await rename(this.pidFile, aside);
      // Another starter may have been quicker, and this be the file of its server.
      if (this.writtenPid(aside) === pid) await rm(aside);
      else await rename(aside, this.pidFile);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  private writtenPid(file: string): number | null {
    try {
      return Number(readFileSync(file, 'utf8').split('\n')[0]) || null;
    } catch {
      return null;
    }
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * By its command line, or by where it works when it was started under another path: a process id alone may meanwhile be a
 * zombie's, a stranger's, or that of another PostgreSQL.
 */
function serves(pid: number, data: string): boolean {
  try {
    if (process.platform === 'linux') return wordsOf(pid).includes(data) || worksIn(pid, data);
    if (process.platform === 'win32') return exists(pid);
    const ps = spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
    return ps.stdout.includes(` -D ${data} `);
  } catch {
    return false;
  }
}

/** None of a process that has just ended. */
function wordsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** A server's working directory is its cluster, whatever that is called by now. */
const worksIn = (pid: number, data: string): boolean =>
  basename(wordsOf(pid)[0] ?? '') === 'postgres' && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
