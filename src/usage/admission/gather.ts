import type { GatherOptions } from './group-commit';

/**
 * From 500 requests a second on, a batch waits for 16 requests or 12 ms. At 1,000 a second that is 13 requests for each
 * statement; below 500 nothing waits.
 */
export const GATHER: GatherOptions = { fromRate: 500, batch: 16, withinMs: 12 };
