import { slowness } from './slowness';

const TRIES = 5;

/** The fastest of five, as on a usual machine: one that is busy may be slow, the gateway may not. In milliseconds. */
export async function fastest(ask: () => Promise<unknown>): Promise<number> {
  let least = Infinity;
  for (let n = 0; n < TRIES; n += 1) {
    const begun = performance.now();
    await ask();
    least = Math.min(least, (performance.now() - begun) / slowness());
  }
  return least;
}
