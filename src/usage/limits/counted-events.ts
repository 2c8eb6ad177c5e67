import { firstWholeDayIn } from '../retention/first-whole-day';
import type { Limit } from './limit.entity';

// Both are worked out once, not for each row.
const FIRST_WHOLE_DAY = `(SELECT ${firstWholeDayIn('$3::text')} FROM usage_retention)`;
const WHOLE_FROM = `(SELECT day_start(${firstWholeDayIn('$3::text')}, $3::text) FROM usage_retention)`;

/**
 * As SQL, what a counter of the metric would have counted from $1 until $2, in the time zone $3: its user, key, model,
 * requests and tokens. Tokens count when they are settled, requests when they are admitted. Of days whose records retention
 * has dropped there are the rollups; which of the two a day comes from is seen in the snapshot that sums them up.
 */
export function countedEvents(metric: Limit['metric']): string {
  const before = metric === 'tokens' ? 'settled_at' : 'admitted_at';
  // An hour of slack: the id was made when the request arrived, by the clock of a replica.
  const settled = `SELECT user_id, key_id, model, 1::bigint AS requests, prompt_tokens + completion_tokens AS tokens
    FROM usage_records
    WHERE admitted_at >= greatest($1::timestamptz, ${WHOLE_FROM}) AND ${before} < $2::timestamptz
      AND request_id >= uuid_v7_floor(greatest($1::timestamptz, 'epoch'::timestamptz + interval '1 hour') - interval '1 hour')
    UNION ALL
    SELECT user_id, key_id, model, requests, prompt_tokens + completion_tokens FROM usage_daily
    WHERE day < ${FIRST_WHOLE_DAY} AND day_start(day, $3::text) >= $1::timestamptz`;
  if (metric === 'tokens') return settled;
  return `${settled} UNION ALL SELECT user_id, key_id, model, 1::bigint, 0::bigint FROM open_requests
    WHERE admitted_at >= $1::timestamptz AND admitted_at < $2::timestamptz`;
}

/** As SQL, their sum for a counter of the metric, over rows named `e`. */
export function countedSum(metric: Limit['metric']): string {
  return `coalesce(sum(e.${metric === 'tokens' ? 'tokens' : 'requests'}), 0)`;
}
