/** How often the event loop is asked to come by. Milliseconds. */
export const SAMPLE_MS = 50;
/** A wait that falls below the threshold within this time was a pause (a collection, a busy machine), not overload. */
const SUSTAINED_MS = 1_000;
/** The share of new requests that is taken when overload is found; then by sample, while behind and while not. */
const FIRST_SHARE = 0.5;
const LESS = 0.7;
const MORE = 0.05;

/**
 * Whether there is more to do than can be done: by the lag of the event loop, or by how long requests wait for their
 * turn to be admitted. Overload is a wait that has not once fallen below the threshold for a second. Then ever fewer
 * new requests are taken until it is below half the threshold, and ever more from there on, so that as much is done as
 * can be; when all are taken again, it is over.
 */
export class Pressure {
  private lastTick: number;
  private behindSince: number | null = null;
  private share = 1;
  private credit = 0;

  /** @param threshold in milliseconds; times are those of one clock, in milliseconds */
  constructor(
    private readonly threshold: number,
    now: number,
  ) {
    this.lastTick = now;
  }

  /**
   * The event loop has come by; it was asked to do so every SAMPLE_MS.
   * @param queued how long requests wait for admission at present, in milliseconds
   */
  tick(now: number, queued: number): void {
    const wait = Math.max(now - this.lastTick - SAMPLE_MS, queued);
    this.lastTick = now;
    this.behindSince = wait < this.threshold ? null : (this.behindSince ?? now);
    if (this.share < 1) {
      this.share = wait < this.threshold / 2 ? Math.min(1, this.share + MORE) : this.share * LESS;
    } else if (this.behindSince !== null && now - this.behindSince >= SUSTAINED_MS) {
      this.share = FIRST_SHARE;
      this.credit = 0;
    }
  }

  /** Whether one more request may be begun. */
  admits(): boolean {
    if (this.share === 1) return true;
    this.credit += this.share;
    if (this.credit < 1) return false;
    this.credit -= 1;
    return true;
  }
}
