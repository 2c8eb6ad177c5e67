import { LostTime } from './lost-time';

const TRIES = 3;
/** A machine that lost so much in a single attempt may be why it failed. */
const DISTURBED_MS = 500;

/**
 * Where the gateway's own patience is the subject, a machine that stands still at the wrong moment rightly makes for
 * another answer. An attempt that failed while it did is made again; one that failed undisturbed, and the last, count.
 * @param renew makes what the next attempt needs
 */
export async function undisturbed(renew: () => Promise<void>, attempt: () => Promise<void>): Promise<void> {
  const lost = new LostTime();
  try {
    for (let tried = 1; ; tried += 1) {
      const begunAt = Date.now();
      try {
        return await attempt();
      } catch (error) {
        const lostMs = Math.round(await lost.between(begunAt, Date.now()));
        if (tried === TRIES || lostMs < DISTURBED_MS) throw error;
        process.stdout.write(`tried again, for the machine stood still for ${lostMs} ms: ${String(error)}\n`);
      }
      await renew();
    }
  } finally {
    await lost.stop();
  }
}
