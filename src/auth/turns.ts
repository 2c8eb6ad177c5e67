import { ApiException } from '../common/api.exception';

const MAX_WAITING = 512;

/**
 * Work on the same key goes one after the other in this process: a race for one username or one password costs
 * one hash at a time, and guesses cannot overtake the count of their failures.
 */
export class Turns {
  private readonly last = new Map<string, Promise<unknown>>();
  private waiting = 0;

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const previous = this.last.get(key);
    if (previous && this.waiting >= MAX_WAITING) throw busy();
    this.waiting += 1;
    const turn = (previous ?? Promise.resolve()).then(work);
    // Whoever comes next waits for the end of this turn, however it ends.
    const ended = turn.then(ignore, ignore);
    this.last.set(key, ended);
    try {
      return await turn;
    } finally {
      this.waiting -= 1;
      if (this.last.get(key) === ended) this.last.delete(key);
    }
  }
}

const ignore = () => undefined;

function busy(): ApiException {
  return new ApiException({
    status: 503,
    code: 'busy',
    message: 'Too many requests for this account are under way; please repeat the request shortly.',
    headers: { 'retry-after': '2' },
  });
}
