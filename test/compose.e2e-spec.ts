import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './support/gateway-process';

const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');
const operations = read('docs', 'operations.md');
const compose = read('docker-compose.yml');

/** The text of each service, by its name. */
const services = Object.fromEntries(
  (/^services:\n([^]*?)\n\S/m.exec(compose)?.[1] ?? '')
    .split(/^ {2}(?=\w+:$)/m)
    .filter((text) => text.trim() !== '')
    .map((text) => [text.slice(0, text.indexOf(':')), text]),
);

describe('docker-compose.yml', () => {
  it('gives its vLLM every flag and variable that docs/operations.md has a reason for', () => {
    const table = operations.split('\n').filter((line) => /^\| `(--|VLLM_)/.test(line));
    const named = table.flatMap((line) =>
      [...(line.split('|')[1] ?? '').matchAll(/--[\w.-]+|VLLM_[A-Z_]+/g)].map(([name]) => name),
    );
    expect(named).toEqual(expect.arrayContaining(['--max-num-queued-reqs', 'VLLM_NO_USAGE_STATS']));
    const given = services.vllm ?? '';
    // From a file, in the environment.
    const missing = named.filter((name) => !given.includes(name === '--api-key' ? 'VLLM_API_KEY=' : name));
    expect(missing).toEqual([]);
  });

  it('takes no variable that docs/operations.md does not name', () => {
    const taken = [...compose.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name as string);
    expect(taken).toContain('VLLM_TOOL_PARSER');
    expect(taken.filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
  });

  it('lets the log of no service grow without end', () => {
    expect(Object.keys(services)).toEqual(['gateway', 'postgres', 'vllm']);
    const endless = Object.entries(services).filter(([, text]) => !/logging:\n +driver: local\n/.test(text));
    expect(endless.map(([name]) => name)).toEqual([]);
  });

  it.each(['README.md', 'docs/operations.md'])('gets no value for one command alone in %s', (file) => {
    const text = read(file);
    expect(text).toMatch(/^docker compose up /m);
    expect(text.match(/^[A-Z_]+=.* docker compose .*/gm) ?? []).toEqual([]);
  });

  it.each(['README.md', 'docs/operations.md'])(
    'is waited for before the first admin is read in %s',
    (file) => {
      const [before] = read(file).split('docker compose exec gateway cat /data/first-admin.txt');
      expect(before?.trim().split('\n').at(-1)).toMatch(/^docker compose up .*--wait/);
    },
  );
});
