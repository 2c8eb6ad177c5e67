import { availableParallelism, loadavg } from 'node:os';

/** How much longer things take here because others keep every core busy twice over; 1 on a machine that is not. */
export function busyness(): number {
  return Math.max(1, (loadavg()[0] as number) / (2 * availableParallelism()));
}
