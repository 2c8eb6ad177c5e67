import { randomUUID } from 'node:crypto';
import { access, chmod, constants, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { codeOf, StartupFailure } from './startup-failure';

const OWNER_ONLY_DIRECTORY = 0o700;
const OWNER_ONLY_FILE = 0o600;

/** DATA_DIR. Made when it is first needed; it and the files in it are for their owner alone. */
export class DataDirectory {
  readonly path: string;

  constructor(setting: string) {
    this.path = resolve(setting);
  }

  /** @throws StartupFailure when it can be neither used nor made */
  async ensure(): Promise<string> {
    try {
      await makeDirectory(this.path);
      await access(this.path, constants.R_OK | constants.W_OK | constants.X_OK);
      return this.path;
    } catch (error) {
      throw this.failure(error);
    }
  }

  /** Stores a text under a name that has none yet. @returns the text that is stored: of several callers at once, one wins. */
  async keepFirst(name: string, text: string): Promise<string> {
    const path = join(await this.ensure(), name);
    const stored = await this.read(path);
    if (stored !== null) return stored;
    const draft = await this.draft(name, text);
    try {
      // Other than a rename, a link never replaces: the file appears whole, and only once.
      await link(draft, path);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw this.failure(error);
    } finally {
      await rm(draft, { force: true });
    }
    return (await this.read(path)) ?? text;
  }

  /** Stores a text, in place of what was there. @returns the path of the file */
  async put(name: string, text: string): Promise<string> {
    const path = join(await this.ensure(), name);
    const draft = await this.draft(name, text);
    try {
      await rename(draft, path);
      return path;
    } catch (error) {
      await rm(draft, { force: true });
      throw this.failure(error);
    }
  }

  private async draft(name: string, text: string): Promise<string> {
    const draft = join(this.path, `.${name}-${randomUUID()}`);
    try {
      const file = await open(draft, 'wx', OWNER_ONLY_FILE);
      try {
        await file.writeFile(`${text}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      return draft;
    } catch (error) {
      throw this.failure(error);
    }
  }

  private async read(path: string): Promise<string | null> {
    try {
      const text = (await readFile(path, 'utf8')).trim();
      const { mode } = await stat(path);
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) await chmod(path, OWNER_ONLY_FILE);
      return text;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw this.failure(error);
    }
  }

  private failure(error: unknown): StartupFailure {
    const code = codeOf(error);
    const reason =
      {
        EACCES: 'this user may not write there',
        EPERM: 'this user may not write there',
        EROFS: 'its file system is read-only',
        ENOTDIR: 'a part of this path is a file',
        EEXIST: 'there is a file of that name',
        ENOENT: 'nothing can be made there',
        ENOSPC: 'the disk is full',
      }[code] ??
      (code || String(error));
    return new StartupFailure(`DATA_DIR (${this.path}) cannot be used: ${reason}.`);
  }
}

/** Node's own recursive mkdir never ends where a directory exists but nothing can be made in it, as under /proc. */
async function makeDirectory(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: OWNER_ONLY_DIRECTORY });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await make().catch((failure: unknown) => {
      // Another process of this directory may have been faster.
      if (codeOf(failure) !== 'EEXIST') throw failure;
    });
  }
}
