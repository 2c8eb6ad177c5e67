import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './gateway-process';

export interface ScriptRun {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program of scripts/ in a folder to its end, with nothing in its environment but these settings. */
export function runScript(
  name: string,
  cwd: string,
  settings: Record<string, string> = {},
): Promise<ScriptRun> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts', name)], {
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
