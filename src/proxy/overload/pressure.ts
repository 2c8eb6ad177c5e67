/** How often the event loop is asked to come by. Milliseconds. */
export const SAMPLE_MS = 50;
/** A wait that ends within this time was a pause (a collection, a busy machine), not overload. */
const SUSTAINED_MS = 1_000;
/** Where so many requests came meanwhile it is no machine that is slow at the moment, and half of that is enough. */
const MANY = 256;
/** How long there has to be room for overload to be over. */
const CALM_MS = 1_000;
/** One in so many is taken even then, or refusing alone could keep the loop so busy that nothing is served. */
const STILL_TAKEN = 10;

/** How long requests wait for admission, in milliseconds. */
export interface Queue {
  /** The one that was sent to PostgreSQL last, until then. */
  readonly waitMs: number;
  /** One that comes now, by what stands before it. */
  readonly expectedWaitMs: number;
}

/**
 * Whether there is more to do than can be done: by the lag of the event loop, and by how long requests wait for their
 * turn to be admitted. Overload begins when a request would have to wait longer than the threshold, when requests have
 * waited so long for a second on end, or when many have come while there was no room (a wait of a sixteenth of the
 * threshold) for half a second and wait for half of it; it is over when there has been room for a second. Meanwhile a
 * request is taken while there is room: whoever is refused waits in the same line, and shall not do so for long.
 */
export class Pressure {
  private lastTick: number;
  private lag = 0;
  private behindSince: number | null = null;
  private busySince: number | null = null;
  private cameWhileBusy = 0;
  private calmSince: number | null = null;
  private overloaded = false;
  private refused = 0;
  /** The wait below which there is room for one more; a shorter one than the samples is hardly a wait. */
  private readonly room: number;

  /** @param threshold in milliseconds; times are those of one clock, in milliseconds */
  constructor(
    private readonly threshold: number,
    private readonly queue: Queue,
    now: number,
  ) {
    this.lastTick = now;
    this.room = Math.min(threshold / 2, Math.max(threshold / 16, SAMPLE_MS));
  }

  /** The event loop has come by; it was asked to do so every SAMPLE_MS. */
  tick(now: number): void {
    this.lag = now - this.lastTick - SAMPLE_MS;
    this.lastTick = now;
    const wait = Math.max(this.lag, this.queue.waitMs);
    this.behindSince = wait < this.threshold ? null : (this.behindSince ?? now);
    this.busySince = wait < this.room ? null : (this.busySince ?? now);
    if (this.busySince === null) this.cameWhileBusy = 0;
    this.calmSince = this.hasRoom ? (this.calmSince ?? now) : null;
    const grows =
      wait >= this.threshold / 2 &&
      this.cameWhileBusy >= MANY &&
      lasted(this.busySince, now, SUSTAINED_MS / 2);
    if (grows || lasted(this.behindSince, now, SUSTAINED_MS)) this.overloaded = true;
    else if (lasted(this.calmSince, now, CALM_MS)) this.overloaded = false;
  }

  /** Whether one more request may be begun. */
  admits(): boolean {
    this.cameWhileBusy += 1;
    if (this.queue.expectedWaitMs >= this.threshold) this.overloaded = true;
    if (!this.overloaded || this.hasRoom) return true;
    this.refused += 1;
    // A line is work enough.
    return this.queue.expectedWaitMs < this.room && this.refused % STILL_TAKEN === 0;
  }

  private get hasRoom(): boolean {
    return this.lag < this.room && this.queue.expectedWaitMs < this.room;
  }
}

const lasted = (since: number | null, now: number, ms: number): boolean =>
  since !== null && now - since >= ms;
