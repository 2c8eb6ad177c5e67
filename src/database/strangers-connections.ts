import { Injectable } from '@nestjs/common';
import { ApiException } from '../common/api.exception';
import { Env } from '../config/env';
import { Slots } from './slots';

/** How many connections of a process they have, of however many it may open; one is left of two. */
const AT_A_TIME = 2;
/** How long a statement may wait for its turn, in milliseconds, and how many may. */
const PATIENCE_MS = 5_000;
const MOST_WAITING = 512;

/**
 * What PostgreSQL is asked for people who have not shown yet who they are takes few connections: a flood of logins waits
 * in a line of its own, and not before the requests of those who have.
 */
@Injectable()
export class StrangersConnections {
  private readonly slots: Slots;

  constructor(env: Env) {
    this.slots = new Slots(Math.min(AT_A_TIME, env.DATABASE_POOL_SIZE - 1), busy, MOST_WAITING);
  }

  /**
   * @param work asks PostgreSQL and nothing else; within it nothing else may wait for a turn here
   * @throws ApiException 503 `busy` when its turn does not come; nothing has been asked then
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.slots.take(PATIENCE_MS);
    try {
      return await work();
    } finally {
      this.slots.give();
    }
  }
}

function busy(): ApiException {
  return new ApiException({
    status: 503,
    code: 'busy',
    message: 'Too many logins are under way at the moment; please repeat the request shortly.',
    headers: { 'retry-after': '2' },
  });
}
