import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cleanUp, emptyFolder, ROOT, startProcess, ensureBuilt } from '../support/gateway-process';
import { createDatabase, onServer, urlOf } from '../support/postgres';

beforeAll(ensureBuilt);

afterAll(cleanUp);

/** The program without its sources, as an image has it, in a folder of this name. */
function program(name: string): string {
  const root = join(emptyFolder(), name);
  for (const part of ['dist', 'scripts', 'package.json']) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(root, 'node_modules'));
  return root;
}

describe('a start', () => {
  it('works in a folder whose name means something in a pattern', async () => {
    const name = `test_${randomBytes(6).toString('hex')}`;
    await onServer(`CREATE DATABASE ${name}`);
    const root = program('gateway (copy) [1] {a,b}');
    const gateway = await startProcess(
      root,
      { DATABASE_URL: urlOf(name), MIGRATE_ON_START: 'true' },
      { root },
    );
    await gateway.ready();
    expect(gateway.output()).toMatch(/ran \d\d database migration/);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
  });

  it('ends with one sentence when the build has no migrations: they are not up to date then', async () => {
    const database = await createDatabase();
    const root = program('gateway');
    rmSync(join(root, 'dist', 'migrations'), { recursive: true });
    mkdirSync(join(root, 'dist', 'migrations'));
    const gateway = await startProcess(root, { DATABASE_URL: database.url }, { root });
    expect(await gateway.ended).toBe(1);
    expect(gateway.errors()).toMatch(
      /^There is nothing in .*migrations that ends in \.js: run npm run build\.\n$/,
    );
    await database.drop();
  });
});

describe('the Node it is started with', () => {
  const PROGRAMS = ['start', 'admin-create', 'ledger-check', 'limits-rezone', 'openapi'];
  const run = (version: string, program: string) => {
    const pretended = join(emptyFolder(), 'version.js');
    writeFileSync(
      pretended,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
    );
    const words = ['--require', pretended, join(ROOT, 'scripts', program)];
    const { status, stderr } = spawnSync(process.execPath, words, { cwd: emptyFolder(), encoding: 'utf8' });
    return [status, stderr];
  };

  it.each(PROGRAMS)('is too old: %s says so in one sentence', (name) => {
    expect(run('18.20.8', `${name}.js`)).toEqual([
      1,
      'Node 20.19, or 22.12 or newer, is needed; this is 18.20.8.\n',
    ]);
  });

  it('is new enough from 20.19 and 22.12 on, and 21 never is', () => {
    const versions = ['20.18.3', '20.19.0', '21.7.3', '22.11.0', '22.12.0', '23.0.0', '24.1.0'];
    const fit = versions.filter((version) => run(version, 'start/node-version.js')[0] === 0);
    expect(fit).toEqual(['20.19.0', '22.12.0', '23.0.0', '24.1.0']);
  });
});

describe('a build', () => {
  const { isBuilt, fingerprint, STAMP } = require(join(ROOT, 'scripts', 'start', 'sources.js')) as {
    isBuilt(root: string): boolean;
    fingerprint(root: string): string;
    STAMP: string;
  };
  const HOUR_S = 3_600;

  /** A root whose build is an hour newer than its sources. */
  function builtRoot(): string {
    const root = emptyFolder();
    for (const file of ['src/main.ts', 'dist/src/main.js', 'dist/ormconfig.js']) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), '');
    }
    const before = Date.now() / 1_000 - HOUR_S;
    for (const path of ['src', 'src/main.ts']) utimesSync(join(root, path), before, before);
    return root;
  }

  it('that says of which sources it is is not used for others, be they older', () => {
    const root = builtRoot();
    writeFileSync(join(root, 'dist', STAMP), fingerprint(root));
    expect(isBuilt(root)).toBe(true);
    writeFileSync(join(root, 'src', 'main.ts'), 'what was there before, put back with its time');
    utimesSync(join(root, 'src', 'main.ts'), 0, 0);
    expect(isBuilt(root)).toBe(false);
  });

  it('that does not say so goes by its time', () => {
    expect(isBuilt(builtRoot())).toBe(true);
  });
});
