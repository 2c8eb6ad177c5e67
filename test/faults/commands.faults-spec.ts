import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { cleanUp, emptyFolder, ensureBuilt, ROOT, startProcess } from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { runScript } from '../support/run-script';
import { send } from '../support/send';
import { workersOf } from '../support/worker-processes';

/** Built once: by those who start in it at the same time. */
let fromSources = '';

beforeAll(async () => {
  fromSources = folderWith(SOURCES);
  await ensureBuilt();
});
afterAll(cleanUp);

const BUILT = ['dist', 'scripts', 'package.json'];
const SOURCES = [
  'src',
  'migrations',
  'scripts',
  'ormconfig.ts',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
];

/** A folder with these parts of the project. */
function folderWith(parts: readonly string[]): string {
  const folder = emptyFolder();
  for (const part of parts) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(folder, 'node_modules'));
  return folder;
}

function npm(script: string, cwd: string, settings: Record<string, string>): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings };
  const child = spawn('npm', ['run', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) =>
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(output)))),
  );
}

describe('npm start', () => {
  it('builds once when several start at once in a folder without a build', async () => {
    const database = await createDatabase();
    const root = fromSources;
    const settings = { DATABASE_URL: database.url, DATA_DIR: join(root, 'data') };
    const all = await Promise.all([1, 2, 3].map(() => startProcess(root, settings, { root })));
    await Promise.all(all.map((gateway) => gateway.ready()));
    expect(all.filter((gateway) => gateway.output().includes('built in'))).toHaveLength(1);
    const waited = all.filter((gateway) => gateway.output().includes('waiting for another npm start'));
    expect(waited).toHaveLength(2);
    for (const gateway of all) {
      // Not at the first look if the machine stands still in it: it has a second.
      while ((await fetch(`${gateway.url}/health/ready`)).status !== 200) await sleep(100);
      gateway.kill('SIGTERM');
    }
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    await database.drop();
  });

  it('never gives an administrator that is there the password of ADMIN_PASSWORD', async () => {
    const database = await createDatabase();
    const folder = emptyFolder();
    const startWith = async (password: string) => {
      const settings = { DATABASE_URL: database.url, ADMIN_USERNAME: 'ada', ADMIN_PASSWORD: password };
      const gateway = await startProcess(folder, settings);
      await gateway.ready();
      return gateway;
    };
    const FIRST = 'the phrase of the first start';
    const LATER = 'another phrase some days later';
    const first = await startWith(FIRST);
    await first.printed('first admin');
    first.kill('SIGTERM');
    await first.ended;
    const later = await startWith(LATER);
    const logIn = async (password: string) =>
      (await send(`${later.url}/auth/token`, { json: { username: 'ada', password } })).status;
    expect([await logIn(FIRST), await logIn(LATER)]).toEqual([200, 401]);
    later.kill('SIGTERM');
    expect(await later.ended).toBe(0);
    expect(later.output()).not.toContain('first admin');
    await database.drop();
  });
});

describe('the commands for migrations', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(() => database.drop());

  const newest = async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      'SELECT name FROM migrations ORDER BY id DESC LIMIT 1',
    );
    await client.end();
    return rows[0]?.name;
  };

  it.each([
    ['with the sources', () => fromSources, ''],
    ['in an image, which has none', () => folderWith(BUILT), ':built'],
  ])('need nothing but DATABASE_URL %s', async (_where, make, built) => {
    const settings = { DATABASE_URL: database.url };
    const last = await newest();
    const folder = make();
    await npm(`migration:revert${built}`, folder, settings);
    expect(await newest()).not.toBe(last);
    await npm(`migration:run${built}`, folder, settings);
    expect(await newest()).toBe(last);
  });

  it('say that DATABASE_URL is missing', async () => {
    await expect(npm('migration:run:built', folderWith(BUILT), {})).rejects.toThrow(
      /^Set DATABASE_URL to the/m,
    );
  });
});

describe('npm run start:cluster', () => {
  it('starts a worker for each core, unless WORKERS says otherwise', async () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['start:cluster']).toMatch(/scripts\/start\.js --cluster$/);
    const database = await createDatabase();
    const words = ['--cluster'];
    for (const [settings, workers] of [
      [{}, availableParallelism()],
      [{ WORKERS: '3' }, 3],
    ] as const) {
      const gateway = await startProcess(
        emptyFolder(),
        { DATABASE_URL: database.url, ...settings },
        { words },
      );
      await gateway.ready();
      expect(workersOf(gateway)).toHaveLength(workers);
      gateway.kill('SIGTERM');
      expect(await gateway.ended).toBe(0);
    }
    await database.drop();
  });
});

describe('a command that is told what it does not know', () => {
  it.each([
    ['limits-rezone.js', 1, /^npm run limits:rezone is all there is to say: it counts everything anew /],
    ['ledger-check.js', 2, /^npm run ledger:check is all there is to say: it compares every counter /],
    ['openapi.js', 1, /^npm run openapi -- \[file\] is all there is to say: it writes the OpenAPI document/],
    ['start.js', 1, /^npm start and npm run start:cluster are all there is to say: /],
  ])('does nothing, and says in a sentence what it is for: %s', async (script, code, sentence) => {
    const settings = { DATABASE_URL: 'postgres://127.0.0.1:9/x' };
    for (const words of [['--help'], ['my secret phrase', 'another']]) {
      const folder = emptyFolder();
      const run = await runScript([script, ...words], folder, settings);
      expect(run).toEqual({ code, output: '', errors: expect.stringMatching(/^[^\n]+\.\n$/) });
      expect(run.errors).toMatch(sentence);
      expect(run.errors).not.toContain('secret');
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});
