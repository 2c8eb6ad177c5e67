import type { Limit } from './limit.entity';

/**
 * As SQL, what a counter of the metric would have counted from $1 until $2: its user, key, model and tokens. Tokens count
 * when they are settled, requests when they are admitted.
 */
export function countedEvents(metric: Limit['metric']): string {
  const before = metric === 'tokens' ? 'settled_at' : 'admitted_at';
  // An hour of slack: the id was made when the request arrived, by the clock of a replica.
  const settled = `SELECT user_id, key_id, model, prompt_tokens + completion_tokens AS tokens FROM usage_records
    WHERE admitted_at >= $1::timestamptz AND ${before} < $2::timestamptz
      AND request_id >= uuid_v7_floor(greatest($1::timestamptz, 'epoch'::timestamptz + interval '1 hour') - interval '1 hour')`;
  if (metric === 'tokens') return settled;
  return `${settled} UNION ALL SELECT user_id, key_id, model, 0 FROM open_requests
    WHERE admitted_at >= $1::timestamptz AND admitted_at < $2::timestamptz`;
}

/** As SQL, their sum for a counter of the metric, over rows named `e`. */
export function countedSum(metric: Limit['metric']): string {
  return metric === 'tokens' ? 'coalesce(sum(e.tokens), 0)' : 'count(*)';
}
