import { existsSync, readFileSync } from 'node:fs';
import type { GatewayProcess } from './gateway-process';

/** Process ids of the workers a gateway started with. */
export function workersOf(gateway: GatewayProcess): number[] {
  const line = /^workers: .*\(processes (.*)\)$/m.exec(
    gateway.output().replaceAll('[simulated answers] ', ''),
  );
  return (line?.[1] ?? '').split(', ').map(Number);
}

/** Whether a process runs. One that has ended and that nobody asks about, as in a container without an init, does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const state = `/proc/${pid}/stat`;
  return !existsSync(state) || !/\) Z /.test(readFileSync(state, 'utf8'));
}
