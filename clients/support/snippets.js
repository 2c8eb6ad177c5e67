import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { url } from './gateway.js';

const root = join(import.meta.dirname, '..', '..');
const clients = join(import.meta.dirname, '..');
const PATIENCE_MS = 120_000;

/** How each language of a code block is run: the code comes on standard input. */
const RUNNERS = {
  js: [process.execPath, '--input-type=module', '-'],
  bash: ['bash', '-euo', 'pipefail', '-s'],
};

/** The code blocks below a heading of a page, in the two languages that can be run. */
export function snippets(page, heading) {
  const text = readFileSync(join(root, page), 'utf8');
  const section = text.split(/^(?=## )/m).find((part) => part.startsWith(`## ${heading}\n`));
  if (!section) throw new Error(`${page} has no section ${heading}`);
  const blocks = [...section.matchAll(/^```(js|bash)\n([\s\S]*?)^```$/gm)];
  return blocks.map(([, language, code]) => ({
    language,
    code: code.replaceAll('http://localhost:8002', url),
  }));
}

/** Runs code as a reader would who pastes it: with the key in the environment, and the packages of this folder. */
export function runSnippet({ language, code }, env) {
  const [program, ...args] = RUNNERS[language];
  const child = spawn(program, args, {
    cwd: clients,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  }
  child.stdin.end(code);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ code: status, ...output }));
  });
}
