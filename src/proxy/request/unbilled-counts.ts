import { LRUCache } from 'lru-cache';

const MINUTE_MS = 60_000;
/** So many counts of a minute may have been for nothing that is billed: far more than those of agents that race for the last tokens. */
export const MOST_A_MINUTE = 600;
/** Accounts that are remembered. */
const MOST_ACCOUNTS = 20_000;

interface Minute {
  readonly begunAt: number;
  count: number;
}

/**
 * Counts that vLLM made for nothing that is billed: for requests which were then refused or whose clients had left, or for
 * clients that ask for counts. No limit holds those up, and a long prompt takes vLLM's front end, which serves everybody,
 * milliseconds to count.
 */
export class UnbilledCounts {
  private readonly minutes = new LRUCache<string, Minute>({ max: MOST_ACCOUNTS });

  areTooMany(userId: string, now = performance.now()): boolean {
    return (this.minuteOf(userId, now)?.count ?? 0) >= MOST_A_MINUTE;
  }

  add(userId: string, now = performance.now()): void {
    const minute = this.minuteOf(userId, now);
    if (minute) minute.count += 1;
    else this.minutes.set(userId, { begunAt: now, count: 1 });
  }

  private minuteOf(userId: string, now: number): Minute | undefined {
    const minute = this.minutes.get(userId);
    return minute && now - minute.begunAt < MINUTE_MS ? minute : undefined;
  }
}
