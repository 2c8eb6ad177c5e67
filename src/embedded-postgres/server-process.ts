import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster';
import { Postmaster } from './postmaster';
import { asAccount, PROGRAM_ENVIRONMENT, runProgram } from './run-program';
import type { ServerFiles } from './server-files';

const STOP_PATIENCE_S = 30;

/** A modest server for one machine; durability stays as PostgreSQL ships it. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  password_encryption: 'scram-sha-256',
  log_min_messages: 'warning',
  // Its host may be a laptop that sleeps: sessions of dead clients must not stay for hours.
  tcp_keepalives_idle: '60',
};

/** The server of a cluster: started, stopped, asked for its state. */
export class ServerProcess {
  private starting = false;
  private readonly postmaster: Postmaster;

  constructor(
    private readonly cluster: Cluster,
    private readonly files: ServerFiles,
    private readonly settings: Readonly<Record<string, string>>,
  ) {
    this.postmaster = new Postmaster(cluster.data);
  }

  /**
   * Starts a server that outlives us: Ctrl-C and the end of this process are not its end.
   * @throws Error in one sentence when a port is asked for that something else has
   */
  async spawn(wanted?: number): Promise<void> {
    await this.postmaster.forgetDead();
    if (wanted !== undefined && !(await isFree(wanted))) {
      // Another process may have been quicker.
      if (this.isAlive) return;
      throw new Error(
        `The embedded PostgreSQL has to come back on port ${wanted}, which another program has taken; trying again until it is free.`,
      );
    }
    const port = wanted ?? (await this.portOfLastTime()) ?? (await freePort());
    const settings = Object.entries({ ...SETTINGS, ...this.settings, port: String(port) });
    const log = openSync(this.cluster.logFile, 'a', 0o600);
    await this.cluster.own(this.cluster.logFile);
    const child = spawn(
      this.files.postgres,
      ['-D', this.cluster.data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      {
        ...asAccount(this.cluster.account),
        cwd: '/',
        env: PROGRAM_ENVIRONMENT,
        detached: true,
        stdio: ['ignore', log, log],
      },
    );
    closeSync(log);
    this.starting = true;
    child.once('exit', () => (this.starting = false));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
  }

  /** Whether a server lives or is coming up: the one we spawned, or the one of another process. */
  get isAlive(): boolean {
    return this.starting || this.postmaster.isAlive;
  }

  /** What to say when a server lives there that cannot be used, since it knows the directory by another path. */
  get inTheWay(): string | null {
    const server = this.postmaster.ofAnotherPath;
    if (server === null) return null;
    const { pid, path } = server;
    return `Its server still runs, as process ${pid}, and was started when it was in ${path}: end that process (kill -INT ${pid}), and start again.`;
  }

  /** Its port; null when there is no server, or it has not got so far. */
  port(): Promise<number | null> {
    return this.postmaster.port();
  }

  /** The next start takes this port again when it can, so that written-down addresses stay right. */
  async rememberPort(port: number): Promise<void> {
    if ((await this.writtenPort()) === port) return;
    await writeFile(this.cluster.portFile, `${port}\n`);
    await this.cluster.own(this.cluster.portFile);
  }

  /** Ends it in an orderly way: open transactions roll back, what was committed is on disk. */
  async stop(): Promise<void> {
    const { pgCtl } = this.files;
    const { data, account } = this.cluster;
    await runProgram(pgCtl, ['stop', '-D', data, '-m', 'fast', '-w', '-t', String(STOP_PATIENCE_S)], account);
  }

  /** The last complaint in its log. */
  complaint(): string {
    if (!existsSync(this.cluster.logFile)) return 'it wrote no log';
    const lines = readFileSync(this.cluster.logFile, 'utf8').trimEnd().split('\n').slice(-20);
    return lines.findLast((line) => /FATAL|PANIC|could not|error/i.test(line)) ?? lines.at(-1) ?? '';
  }

  private async portOfLastTime(): Promise<number | null> {
    const port = await this.writtenPort();
    return port !== null && (await isFree(port)) ? port : null;
  }

  private async writtenPort(): Promise<number | null> {
    try {
      return Number(await readFile(this.cluster.portFile, 'utf8')) || null;
    } catch {
      return null;
    }
  }
}

function freePort(): Promise<number> {
  return listenOnce(0);
}

async function isFree(port: number): Promise<boolean> {
  // A server that has just stopped may hold its port for a moment.
  for (let attempt = 0; attempt < 4; attempt += 1) {
    try {
      await listenOnce(port);
      return true;
    } catch {
      await sleep(50);
    }
  }
  return false;
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const { port: got } = server.address() as AddressInfo;
      server.close(() => resolve(got));
    });
  });
}
