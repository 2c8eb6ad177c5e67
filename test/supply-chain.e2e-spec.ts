import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './support/gateway-process';
import { runScript } from './support/run-script';

const MOST_PACKAGES = 250;

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
}

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
  readonly overrides: Record<string, string>;
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));

describe('what the gateway is made of', () => {
  const manifest = read('package.json') as Manifest;
  const { '': _, ...locked } = (read('package-lock.json') as { packages: Record<string, Locked> }).packages;
  const shipped = Object.entries(locked).filter(([, { dev }]) => !dev);

  it('is named by exact versions', () => {
    const { dependencies, devDependencies, optionalDependencies, overrides } = manifest;
    const versions = { ...dependencies, ...devDependencies, ...optionalDependencies, ...overrides };
    expect(
      Object.entries(versions).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
    ).toEqual([]);
  });

  it('is locked to its bytes, every package of it', () => {
    expect(Object.keys(locked).length).toBeGreaterThan(100);
    const loose = Object.entries(locked).filter(([, { integrity }]) => !integrity?.startsWith('sha512-'));
    expect(loose).toEqual([]);
  });

  it(`is at most ${MOST_PACKAGES} packages`, () => {
    expect(shipped.length).toBeLessThanOrEqual(MOST_PACKAGES);
  });

  it('is listed by npm run sbom, as CycloneDX, each package with its hash', () => {
    const bom = JSON.parse(
      execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, encoding: 'utf8' }),
    ) as {
      bomFormat: string;
      components: { name: string; version: string; hashes?: unknown[] }[];
    };
    expect(bom.bomFormat).toBe('CycloneDX');
    const listed = new Set(bom.components.map(({ name, version }) => `${name}@${version}`));
    const names = shipped.map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`);
    expect([...new Set(names)].filter((name) => !listed.has(name))).toEqual([]);
    expect(bom.components.filter(({ hashes }) => !hashes?.length)).toEqual([]);
  });

  it('has the fixes a gateway needs', async () => {
    expect(await runScript('check-versions.js', ROOT)).toEqual({ code: 0, output: '', errors: '' });
  });

  it('is not built into an image with an older package, nor with an older Node', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'versions-'));
    const old = { undici: '7.27.9', 'body-parser': '2.2.0', jsonwebtoken: '8.5.1', typeorm: '0.3.30' };
    const fine = {
      '@nestjs/core': '11.1.21',
      '@nestjs/common': '12.0.0',
      '@nestjs/platform-express': '11.2.0',
    };
    for (const [name, version] of Object.entries({ ...old, ...fine })) {
      mkdirSync(join(folder, 'node_modules', name), { recursive: true });
      writeFileSync(join(folder, 'node_modules', name, 'package.json'), JSON.stringify({ version }));
    }
    const { code, errors } = await runScript('check-versions.js', folder);
    rmSync(folder, { recursive: true });
    expect([
      code,
      errors
        .trim()
        .split('\n')
        .map((line) => line.split(' ', 2).join(' '))
        .sort(),
    ]).toEqual([
      1,
      Object.entries(old)
        .map(([name, version]) => `${name} ${version}`)
        .sort(),
    ]);
    expect(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')).toContain(
      'RUN node scripts/check-versions.js --node',
    );
  });
});
