import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import { startGateway, TestGateway } from './support/gateway';

const ROOT = join(__dirname, '..');
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');

/** The codes of failures that stand in the sources. The simulator speaks as vLLM does, not as the gateway. */
function thrownCodes(): string[] {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.startsWith('simulator'),
  );
  const codes = sources.flatMap((file) =>
    [...read('src', file).matchAll(/(?:\bcode: |\bunauthenticated\(\s*)'([a-z_]+)'/g)].map(
      ([, code]) => code as string,
    ),
  );
  return [...new Set(codes)].sort();
}

/** What the README's table of routes names, row by row: whole paths, `…/the/end` of one, `/the/beginning…`. */
function namedRoutes(): string[][] {
  const rows = read('README.md')
    .split('\n')
    .map((line) => line.split('|')[1] ?? '')
    .filter((cell) => /`[^`]*[/…]/.test(cell));
  return rows.map((cell) =>
    [...cell.matchAll(/`(?:[A-Z]+ )?((?:\/|…)[^`\s]*)`/g)].map(([, path]) => path as string),
  );
}

function isNamed(path: string, row: readonly string[]): boolean {
  return row.some((named) => {
    if (named.endsWith('…')) return path.startsWith(named.slice(0, -1));
    if (!named.startsWith('…')) return path === named;
    // `…/{id}` alone says nothing: it goes on from a path of its own row.
    if (/^…\/\{\w+\}$/.test(named)) return row.some((other) => path === other + named.slice(1));
    return path.endsWith(named.slice(1));
  });
}

describe('what is written about the gateway', () => {
  let gateway: TestGateway;
  let document: OpenAPIObject;

  beforeAll(async () => {
    gateway = await startGateway();
    document = (await (await gateway.get('/docs-json', '')).json()) as OpenAPIObject;
  });
  afterAll(() => gateway.close());

  it('explains in docs/errors.md every code that a failure can have', () => {
    const codes = thrownCodes();
    expect(codes).toEqual(
      expect.arrayContaining(['insufficient_quota', 'invalid_token', 'last_admin', 'upstream_busy']),
    );
    const errors = read('docs', 'errors.md');
    expect(codes.filter((code) => !errors.includes(`\`${code}\``))).toEqual([]);
  });

  it('names every route in the README', () => {
    const rows = namedRoutes();
    const paths = Object.keys(document.paths);
    expect(paths.length).toBeGreaterThan(40);
    expect(paths.filter((path) => !rows.some((row) => isNamed(path, row)))).toEqual([]);
  });

  it('names no route in the README that is not there', () => {
    const paths = [...Object.keys(document.paths), '/metrics', '/docs'];
    const rows = namedRoutes();
    const unknown = rows.flatMap((row) =>
      row.filter((named) => {
        const only = /^…\/\{\w+\}$/.test(named) ? row : [named];
        return !paths.some((path) => isNamed(path, only));
      }),
    );
    expect(unknown).toEqual([]);
  });
});
