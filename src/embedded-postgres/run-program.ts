import { spawn } from 'node:child_process';
import type { ServerAccount } from './server-account';

/** Nothing of our own environment: PGPORT and its like would change what the programs do. */
export const PROGRAM_ENVIRONMENT = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' };

export const asAccount = (account: ServerAccount | null) =>
  account ? { uid: account.uid, gid: account.gid } : {};

/** Runs a program to its end. @throws with the end of what it said when it fails */
export function runProgram(
  program: string,
  args: readonly string[],
  account: ServerAccount | null,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...asAccount(account),
      // The current directory may be one the account cannot enter.
      cwd: '/',
      env: PROGRAM_ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const hear = (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000));
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} failed: ${said.trim() || `exit code ${code}`}`));
    });
  });
}
