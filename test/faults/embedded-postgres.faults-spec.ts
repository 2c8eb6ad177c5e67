import { ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { joinRunningPostgres } from '../../src/embedded-postgres/join-running';
import { Postmaster } from '../../src/embedded-postgres/postmaster';
import { runProgram } from '../../src/embedded-postgres/run-program';
import { serverFiles } from '../../src/embedded-postgres/server-files';
import { cleanUp, emptyFolder, listens, ROOT } from '../support/gateway-process';

/** Compiles the launcher on the fly, so that a starter needs no build. */
const STARTER = `
  const { readFileSync } = require('node:fs');
  const { transformSync } = require('@swc/core');
  const options = { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } };
  require.extensions['.ts'] = (module, file) =>
    module._compile(transformSync(readFileSync(file, 'utf8'), options).code, file);
  const [dataDir, arch] = process.argv.slice(1);
  if (arch) Object.defineProperty(process, 'arch', { value: arch });
  process.on('SIGINT', () => console.log('drain'));
  require('./src/embedded-postgres/embedded-postgres.ts').startEmbeddedPostgres({ dataDir }).then(
    (server) => {
      console.log(server.url);
      process.once('SIGTERM', () => server.stop().then(() => process.exit()));
      setInterval(() => undefined, 1000);
    },
    (error) => { console.log(error.message); process.exit(1); },
  );
`;

const starters = new Set<ChildProcess>();

/** A process of its own, as each replica is. Resolves with the first line it says: the url, or its complaint. */
async function starter(dataDir: string, arch?: string): Promise<{ said: string; child: ChildProcess }> {
  const child = spawn(process.execPath, ['-e', STARTER, dataDir, ...(arch ? [arch] : [])], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  starters.add(child);
  child.once('exit', () => starters.delete(child));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { said: line.toString().trim(), child };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

async function query(url: string, statement: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

const newDataDir = () => join(emptyFolder(), 'postgres');
const portOf = (url: string) => Number(new URL(url).port);
const startedAt = (url: string) => query(url, 'SELECT pg_postmaster_start_time()::text');
const pidFileOf = (dataDir: string) => join(dataDir, 'cluster', 'postmaster.pid');
const postmasterOf = (dataDir: string) => Number(readFileSync(pidFileOf(dataDir), 'utf8').split('\n')[0]);

afterAll(async () => {
  await Promise.all([...starters].map((child) => end(child, 'SIGTERM')));
  await cleanUp();
});

describe('one process', () => {
  const dataDir = newDataDir();

  it('has a database that is gone from the machine after stop, and whose rows are there at the next start', async () => {
    const said: string[] = [];
    const first = await startEmbeddedPostgres({ dataDir, log: (line) => said.push(line) });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    await first.stop();
    expect(await listens(portOf(first.url))).toBe(false);
    expect(said.join('\n')).toMatch(/creating .* in .*postgres\n.*PostgreSQL .*port \d+/);

    const second = await startEmbeddedPostgres({ dataDir, settings: { work_mem: '5MB' } });
    expect(await query(second.url, 'SELECT answer FROM kept')).toBe(42);
    expect(await query(second.url, 'SHOW work_mem')).toBe('5MB');
    await second.stop();
  });

  it('keeps the password in a file for its owner alone, and nobody comes in without it', async () => {
    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600);
    const server = await startEmbeddedPostgres({ dataDir });
    const url = new URL(server.url);
    expect(url.hostname).toBe('127.0.0.1');
    expect(readFileSync(join(dataDir, 'password'), 'utf8').trim()).toBe(decodeURIComponent(url.password));
    url.password = 'wrong';
    await expect(query(url.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    await server.stop();
  });

  it('starts the server again on the same port when it dies under it', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const before = await startedAt(server.url);
    process.kill(postmasterOf(dataDir), 'SIGKILL');
    await expect(eventually(() => startedAt(server.url))).resolves.not.toBe(before);
    await server.stop();
    expect(await listens(portOf(server.url))).toBe(false);
  });

  it('leaves no server behind when it stops while one is being started again', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const witness = new Client({ connectionString: server.url });
    witness.on('error', () => undefined);
    await witness.connect();
    const died = new Promise((resolve) => witness.once('end', resolve));
    process.kill(postmasterOf(dataDir), 'SIGKILL');
    await died;
    await server.stop();
    expect(await listens(portOf(server.url))).toBe(false);
    // The file of the killed server may stay, when the stop came first; a server may not.
    expect(new Postmaster(join(dataDir, 'cluster')).isAlive).toBe(false);
  });
});

describe('several processes', () => {
  it('share one server when they start at once, and the last to leave stops it', async () => {
    const dataDir = newDataDir();
    const all = await Promise.all([starter(dataDir), starter(dataDir), starter(dataDir)]);
    const [url] = all.map(({ said }) => said);
    expect(all.map(({ said }) => said)).toEqual([url, url, url]);
    await end(all[0].child, 'SIGTERM');
    await end(all[1].child, 'SIGKILL');
    expect(await query(url as string, 'SELECT 1')).toBe(1);
    await end(all[2].child, 'SIGTERM');
    expect(await listens(portOf(url as string))).toBe(false);
  });

  it('adopt the server of one that was killed', async () => {
    const dataDir = newDataDir();
    const { said: url, child } = await starter(dataDir);
    const before = await startedAt(url);
    await end(child, 'SIGKILL');
    const server = await startEmbeddedPostgres({ dataDir });
    expect(server.url).toBe(url);
    expect(await startedAt(url)).toBe(before);
    await server.stop();
    expect(await listens(portOf(url))).toBe(false);
  });

  it('recover what was committed when all of them and the server were killed', async () => {
    const dataDir = newDataDir();
    const { said: url, child } = await starter(dataDir);
    await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(postmasterOf(dataDir), 'SIGKILL');
    await end(child, 'SIGKILL');
    const server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.url, 'SELECT answer FROM kept')).toBe(42);
    await server.stop();
  });

  it('keep the database at Ctrl-C, which reaches the whole process group, until they have drained', async () => {
    const { said: url, child } = await starter(newDataDir());
    process.kill(-(child.pid as number), 'SIGINT');
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    await sleep(200);
    expect(await query(url, 'SELECT 1')).toBe(1);
    await end(child, 'SIGTERM');
    expect(await listens(portOf(url))).toBe(false);
  });
});

it('says in one sentence that a platform has no embedded PostgreSQL, and what to do', async () => {
  const { said } = await starter(newDataDir(), 'mips');
  expect(said).toMatch(/^There is no embedded PostgreSQL for \w+-mips.* Set DATABASE_URL to [^\n]+$/);
});

if (process.getuid?.() === 0) {
  describe('as root', () => {
    const STRANGER = 54_321;
    const kept = 'SELECT answer FROM kept';

    /** A database with something in it, made by root, and stopped. */
    async function filled(dataDir: string): Promise<void> {
      const server = await startEmbeddedPostgres({ dataDir });
      await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
      await server.stop();
    }

    function give(directory: string, uid: number): void {
      execFileSync('chown', ['-R', `${uid}:${uid}`, directory]);
    }

    it('lives where the server may go when a home directory is closed, whoever of several starts it first', async () => {
      const home = join(emptyFolder(), 'home');
      mkdirSync(home, { mode: 0o700 });
      const dataDir = join(home, 'data', 'postgres');
      const both = await Promise.all([starter(dataDir), starter(dataDir)]);
      const [url = ''] = both.map(({ said }) => said);
      expect(both.map(({ said }) => said)).toEqual([url, url]);
      const directory = readFileSync(`${dataDir}.location`, 'utf8').trim();
      expect(await query(url, 'SHOW data_directory')).toBe(join(directory, 'cluster'));
      expect(directory).not.toContain(home);
      expect(statSync(home).mode & 0o777).toBe(0o700);
      await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
      await Promise.all(both.map(({ child }) => end(child, 'SIGTERM')));

      const again = await startEmbeddedPostgres({ dataDir });
      expect([again.directory, await query(again.url, kept)]).toEqual([directory, 42]);
      await again.stop();

      rmSync(directory, { recursive: true });
      const refusal = /location says that the database is in .*, and there is none: bring it back, or remove/;
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(refusal);
      await expect(joinRunningPostgres(dataDir)).rejects.toThrow(refusal);
    });

    it('runs programs that were installed for root alone', async () => {
      const home = join(emptyFolder(), 'home');
      const installed = join(home, 'native');
      const shipped = await serverFiles(null);
      cpSync(join(dirname(shipped.postgres), '..'), installed, { recursive: true, verbatimSymlinks: true });
      const version = `test-${process.pid}`;
      writeFileSync(join(home, 'package.json'), JSON.stringify({ version }));
      execFileSync('chmod', ['-R', 'go-rwx', home]);
      const stranger = { name: 'stranger', uid: STRANGER, gid: STRANGER };
      const { postgres } = await serverFiles(stranger, installed);
      const copy = join(dirname(postgres), '..');
      expect(copy).toContain(version);
      try {
        await runProgram(postgres, ['--version'], stranger);
      } finally {
        rmSync(copy, { recursive: true });
      }
    });

    it('stays where it is and whose it is, whoever owns it', async () => {
      const dataDir = newDataDir();
      await filled(dataDir);
      give(dataDir, STRANGER);
      for (const name of ['port', 'server.log']) rmSync(join(dataDir, name));
      expect(await joinRunningPostgres(dataDir)).toBeNull();
      const server = await startEmbeddedPostgres({ dataDir });
      expect(await query(server.url, kept)).toBe(42);
      expect(statSync(pidFileOf(dataDir)).uid).toBe(STRANGER);
      const owners = readdirSync(dataDir).map((name) => statSync(join(dataDir, name)).uid);
      expect(owners).toEqual([STRANGER, STRANGER, STRANGER, STRANGER]);
      await server.stop();
      expect(readdirSync(join(dataDir, '..'))).toEqual(['postgres']);
    });

    it('is not replaced by an empty one when its owner cannot run it', async () => {
      const home = join(emptyFolder(), 'home');
      const dataDir = join(home, 'data', 'postgres');
      mkdirSync(home);
      await filled(dataDir);
      chmodSync(home, 0o700);
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/ who may not come there: open the/);
      chmodSync(home, 0o755);
      give(dataDir, 0);
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
        /belongs to root, and PostgreSQL does/,
      );
      give(dataDir, STRANGER);
      writeFileSync(`${dataDir}.location`, `${newDataDir()}\n`);
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
        /^There are two databases, .*remove that/,
      );
    });
  });
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 600; ; left -= 1) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await sleep(100);
    }
  }
}
