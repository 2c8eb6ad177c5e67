/** So long arrivals are counted before they are called a high rate, in milliseconds: a few that come at once are none. */
const RISES_OVER_MS = 500;
/** And so long until a high rate is over: who comes after a burst shall not wait for company that no longer comes. */
const FALLS_OVER_MS = 30;

/** Counts over a stretch of time, and then anew. Times are those of performance.now(). */
class Stretch {
  /** Arrivals a millisecond in the last whole stretch. */
  last = 0;
  private count = 0;
  private since = 0;

  constructor(private readonly lengthMs: number) {}

  note(now: number): void {
    if (this.isOver(now)) {
      this.last = this.count / (now - this.since);
      this.since = now;
      this.count = 0;
    }
    this.count += 1;
  }

  /** Arrivals a millisecond: of the last whole stretch, or of this one when it has been as long. */
  rateAt(now: number): number {
    return this.isOver(now) ? this.count / (now - this.since) : this.last;
  }

  private isOver(now: number): boolean {
    return now - this.since >= this.lengthMs;
  }
}

/** Whether so many arrive a second that it is worth waiting for company. */
export class ArrivalRate {
  private readonly slow = new Stretch(RISES_OVER_MS);
  private readonly quick = new Stretch(FALLS_OVER_MS);

  /** @param high arrivals a second */
  constructor(private readonly high: number) {}

  note(now: number): void {
    this.slow.note(now);
    this.quick.note(now);
  }

  isHigh(now: number): boolean {
    return this.slow.last * 1_000 >= this.high && this.quick.rateAt(now) * 1_000 >= this.high;
  }
}
