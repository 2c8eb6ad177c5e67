/** Stands for an answer that did not come in time. */
export const LATE = Symbol('late');

interface Wait {
  readonly until: number;
  readonly expire: () => void;
}

/**
 * Waits for promises, but for each only so long. One timer serves all of them, and each costs one promise: with a timer
 * and a race of its own, every request paid for what hardly ever happens.
 */
export class TimeLimit {
  /** In the order in which they end, for all may last as long. */
  private readonly waits = new Set<Wait>();
  private timer: NodeJS.Timeout | undefined;

  /** @param ms how long each is waited for, in milliseconds */
  constructor(private readonly ms: number) {}

  /** What the work comes to, or LATE; what it comes to after that is nobody's. */
  wait<T>(work: Promise<T>): Promise<T | typeof LATE> {
    return new Promise((resolve, reject) => {
      const wait = { until: performance.now() + this.ms, expire: () => resolve(LATE) };
      this.waits.add(wait);
      this.timer ??= setTimeout(this.expireSoon, this.ms);
      work.then(
        (result) => {
          this.waits.delete(wait);
          resolve(result);
        },
        (error: unknown) => {
          this.waits.delete(wait);
          reject(error as Error);
        },
      );
    });
  }

  /** After a pause of the process timers come first: what lies in the sockets has come in time, and is read before. */
  private readonly expireSoon = (): void => {
    setImmediate(this.expireDue, performance.now());
  };

  private readonly expireDue = (now: number): void => {
    this.timer = undefined;
    for (const wait of this.waits) {
      if (wait.until > now) {
        this.timer = setTimeout(this.expireSoon, Math.ceil(wait.until - now));
        return;
      }
      this.waits.delete(wait);
      wait.expire();
    }
  };
}
