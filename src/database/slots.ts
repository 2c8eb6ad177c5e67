import type { ApiException } from '../common/api.exception';

/** Lets so many run at a time; whoever comes next waits in line, each as long as they may. */
export class Slots {
  /** In the order in which they came. */
  private readonly waiting = new Set<() => void>();

  /**
   * @param busy what is said to whom the line is too long
   * @param mostWaiting how many it has room for
   */
  constructor(
    private free: number,
    private readonly busy: () => ApiException,
    private readonly mostWaiting = Infinity,
  ) {}

  /**
   * @param patienceMs how long to wait in line, in milliseconds
   * @throws ApiException `busy` when that was not long enough, or there is no room in the line; nothing is taken then
   */
  async take(patienceMs: number): Promise<void> {
    if (this.free > 0) {
      this.free -= 1;
      return;
    }
    if (this.waiting.size >= this.mostWaiting) throw this.busy();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(enter);
        reject(this.busy());
      }, patienceMs);
      const enter = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.waiting.add(enter);
    });
  }

  /** The slot goes straight to the next in line: nobody who comes meanwhile is before them. */
  give(): void {
    const [next] = this.waiting;
    if (!next) {
      this.free += 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
