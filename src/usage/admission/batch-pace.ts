/** So many batches are looked at: the quickest of them counts, since one that hung says nothing of the others. */
const LAST = 4;
/** Fewer are enough once they have taken so long together, but never one. Milliseconds. */
const LONG_MS = 1_000;
/** What was seen before the batch under way, or before so long, tells nothing of now. Milliseconds. */
const FRESH_MS = 1_000;

/** How long after one batch the next one goes where items wait all the time. */
export class BatchPace {
  private last: number[] = [];
  private shortest = 0;
  private sentAt = -Infinity;
  private freshUntil = -Infinity;
  /** Items waited when the last batch came back, so the next one goes as soon as it can. */
  private hurries = false;

  /** A batch goes. */
  sent(now: number): void {
    if (this.hurries) {
      if (now >= this.freshUntil) this.last = [];
      this.last = [...this.last, now - this.sentAt].slice(-LAST);
      const isKnown =
        this.last.length === LAST ||
        (this.last.length > 1 && this.last.reduce((sum, ms) => sum + ms) >= LONG_MS);
      this.shortest = isKnown ? Math.min(...this.last) : 0;
      // As long as this one is under way nothing newer can be known.
      this.freshUntil = Infinity;
    }
    this.hurries = false;
    this.sentAt = now;
  }

  /** It has come back. @param othersWait whether items wait for the next one; not to be said of one that failed */
  ended(now: number, othersWait: boolean): void {
    if (this.freshUntil === Infinity) this.freshUntil = now + FRESH_MS;
    this.hurries = othersWait;
  }

  /** Nothing waits any more. */
  rests(): void {
    this.hurries = false;
  }

  /** In milliseconds; 0 while it is not known. */
  ms(now: number): number {
    return now < this.freshUntil ? this.shortest : 0;
  }
}
