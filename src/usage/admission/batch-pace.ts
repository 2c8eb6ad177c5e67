/** So many batches are looked at: the quickest of them counts, since one that hung says nothing of the others. */
const LAST = 4;
/** What was seen before tells nothing of now. Milliseconds. */
const FRESH_MS = 1_000;

/** How long after one batch the next one goes where items wait all the time. */
export class BatchPace {
  private readonly last = Array.from({ length: LAST }, () => 0);
  private seen = 0;
  private shortest = 0;
  private sentAt = -Infinity;
  private leftSome = false;

  /** @param leavesSome whether items wait for the batch after this one */
  sent(now: number, leavesSome: boolean): void {
    if (this.leftSome) {
      this.last[this.seen++ % LAST] = now - this.sentAt;
      this.shortest = Math.min(...this.last);
    }
    this.sentAt = now;
    this.leftSome = leavesSome;
  }

  /** In milliseconds; 0 while it is not known. */
  ms(now: number): number {
    return now - this.sentAt < FRESH_MS ? this.shortest : 0;
  }
}
