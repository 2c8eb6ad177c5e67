import type { UsageRecord } from './dto/usage-records.dto';

/** A record as a line of a table. */
export const RECORD_COLUMNS = [
  'request_id',
  'admitted_at',
  'settled_at',
  'model',
  'key_id',
  'endpoint',
  'stream',
  'outcome',
  'source',
  'status',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'total_tokens',
  'time_to_first_token_ms',
  'duration_ms',
] as const satisfies (keyof UsageRecord)[];
