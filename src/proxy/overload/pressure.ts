/** How often the event loop is asked to come by. Milliseconds. */
export const SAMPLE_MS = 50;
/** A wait that falls below the threshold within this time was a pause (a collection, a busy machine), not overload. */
const SUSTAINED_MS = 1_000;
/** One in so many is taken even then, or refusing alone could keep the loop so busy that nothing is served. */
const STILL_TAKEN = 10;

/** How long requests wait for admission, in milliseconds. */
export interface Queue {
  /** The one that was sent to PostgreSQL last, until then. */
  readonly waitMs: number;
  /** The one that is next, so far. */
  readonly nextWaitsMs: number;
}

/**
 * Whether there is more to do than can be done: by the lag of the event loop, or by how long requests wait for their
 * turn to be admitted. Overload is a wait that has not once fallen below the threshold for a second; it is over when the
 * wait has stayed below a tenth of that for a second. Meanwhile a request is taken when the wait is below a tenth just
 * then: whoever is refused has to wait in the same line, and shall not do so for long.
 */
export class Pressure {
  private lastTick: number;
  private lag = 0;
  private behindSince: number | null = null;
  private calmSince: number | null = null;
  private overloaded = false;
  private refused = 0;
  /** The wait below which there is room for one more during overload; a shorter one than the samples is hardly a wait. */
  private readonly room: number;

  /** @param threshold in milliseconds; times are those of one clock, in milliseconds */
  constructor(
    private readonly threshold: number,
    private readonly queue: Queue,
    now: number,
  ) {
    this.lastTick = now;
    this.room = Math.min(threshold / 2, Math.max(threshold / 10, SAMPLE_MS));
  }

  /** The event loop has come by; it was asked to do so every SAMPLE_MS. */
  tick(now: number): void {
    this.lag = now - this.lastTick - SAMPLE_MS;
    this.lastTick = now;
    const behind = Math.max(this.lag, this.queue.waitMs) >= this.threshold;
    this.behindSince = behind ? (this.behindSince ?? now) : null;
    this.calmSince = this.isBusy ? null : (this.calmSince ?? now);
    if (lasted(this.behindSince, now)) this.overloaded = true;
    else if (lasted(this.calmSince, now)) this.overloaded = false;
  }

  /** Whether one more request may be begun. */
  admits(): boolean {
    if (!this.overloaded || !this.isBusy) return true;
    this.refused += 1;
    return this.refused % STILL_TAKEN === 0;
  }

  private get isBusy(): boolean {
    return Math.max(this.lag, this.queue.nextWaitsMs) >= this.room;
  }
}

const lasted = (since: number | null, now: number): boolean => since !== null && now - since >= SUSTAINED_MS;
