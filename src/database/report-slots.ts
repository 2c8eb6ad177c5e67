import { ApiException } from '../common/api.exception';

/** Lets so many reports run at a time; whoever comes next waits in line, each as long as they may. */
export class ReportSlots {
  /** In the order in which they came. */
  private readonly waiting = new Set<() => void>();

  constructor(private free: number) {}

  /**
   * @param patienceMs how long to wait in line, in milliseconds
   * @throws ApiException 503 `busy` when that was not long enough; nothing is taken then
   */
  async take(patienceMs: number): Promise<void> {
    if (this.free > 0) {
      this.free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(enter);
        reject(busy());
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

function busy(): ApiException {
  return new ApiException({
    status: 503,
    code: 'busy',
    message: 'Other reports are being added up at the moment; please repeat the request shortly.',
    headers: { 'retry-after': '10' },
  });
}
