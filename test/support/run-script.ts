import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './gateway-process';

export interface ScriptRun {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program of scripts/ (and its words) in a folder to its end, with these settings alone in its environment. */
export function runScript(
  command: string | readonly [name: string, ...words: string[]],
  cwd: string,
  settings: Record<string, string> = {},
): Promise<ScriptRun> {
  const [name = '', ...words] = typeof command === 'string' ? [command] : command;
  const child = spawn(process.execPath, [join(ROOT, 'scripts', name), ...words], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output, errors })));
}
