import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program';
import type { ServerAccount } from './server-account';
import type { ServerFiles } from './server-files';

export const ROLE = 'gateway';
export const DATABASE = 'gateway';

/** The directory of one embedded database: the cluster, its password, the server's log, the port it had last. */
export class Cluster {
  constructor(
    readonly directory: string,
    readonly account: ServerAccount | null,
  ) {}

  get data(): string {
    return join(this.directory, 'cluster');
  }

  get logFile(): string {
    return join(this.directory, 'server.log');
  }

  get portFile(): string {
    return join(this.directory, 'port');
  }

  async password(): Promise<string> {
    return (await readFile(passwordFile(this.directory), 'utf8')).trim();
  }

  /** Makes the database when there is none. It appears whole or not at all; of several makers one wins. */
  async ensure(files: ServerFiles, log: (line: string) => void): Promise<void> {
    if (existsSync(this.data)) return;
    log(`creating a PostgreSQL database in ${this.directory}`);
    await mkdir(join(this.directory, '..'), { recursive: true });
    const draft = await mkdtemp(`${this.directory}.new-`);
    try {
      await this.own(draft);
      await writeFile(passwordFile(draft), `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
      await this.own(passwordFile(draft));
      await runProgram(files.initdb, initdbArguments(draft), this.account);
      await rename(draft, this.directory);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      if (existsSync(this.data)) return;
      throw error;
    }
  }

  /** What root makes here is its owner's, who may start next. */
  async own(path: string): Promise<void> {
    if (this.account) await chown(path, this.account.uid, this.account.gid);
  }
}

const passwordFile = (directory: string) => join(directory, 'password');

function initdbArguments(directory: string): string[] {
  return [
    `--pgdata=${join(directory, 'cluster')}`,
    `--username=${ROLE}`,
    `--pwfile=${passwordFile(directory)}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ];
}
