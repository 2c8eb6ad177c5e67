import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './support/gateway-process';

const OPERATIONS = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');

/** What docs/operations.md has people write in the checkout: where its commands send something, and what it names. */
const MADE = [
  '.env',
  'docker-compose.override.yml',
  'data/first-admin.txt',
  ...[...OPERATIONS.matchAll(/ >>? ([\w./-]+)/g)].map(([, file]) => file as string),
];

const linesOf = (file: string): string[] =>
  readFileSync(join(ROOT, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

/** As git has it, of the little that stands in .gitignore: a name, a folder, a part of a name. */
function patternOf(line: string): RegExp {
  const name = line
    .replace(/^\/|\/$/g, '')
    .replaceAll('.', '\\.')
    .replaceAll('*', '[^/]*');
  return new RegExp(`${line.startsWith('/') ? '^' : '(^|/)'}${name}(/|$)`);
}

describe('what docs/operations.md tells to make in the checkout', () => {
  it('is all there', () => {
    expect(MADE).toEqual(
      expect.arrayContaining(['secrets/jwt_secret', 'secrets/database_url', 'gateway.dump', 'gateway.log']),
    );
    for (const name of ['docker-compose.override.yml', '.env']) expect(OPERATIONS).toContain(`\`${name}\``);
  });

  it('is not erased by a restart, where it is a log', () => {
    expect(OPERATIONS).toContain(' >> gateway.log');
    expect(OPERATIONS).not.toMatch(/[^>]> [\w./-]+\.log\b/);
  });

  it('is in no commit', () => {
    const ignored = linesOf('.gitignore').map(patternOf);
    expect(MADE.filter((file) => !ignored.some((pattern) => pattern.test(file)))).toEqual([]);
  });

  it('is in no image: nothing comes into its build but what is named, and no such thing is', () => {
    const [first, ...others] = linesOf('.dockerignore');
    expect(first).toBe('*');
    const taken = others.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(taken).toContain('src');
    expect(MADE.filter((file) => taken.some((part) => file === part || file.startsWith(`${part}/`)))).toEqual(
      [],
    );
  });
});
