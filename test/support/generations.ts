import { v7 as uuidV7 } from 'uuid';
import type { TestGateway } from './gateway';

export interface Generation {
  readonly userId: string;
  readonly keyId?: string;
  readonly model?: string;
  readonly at: Date;
  /** When its id was made, if not then. */
  readonly arrivedAt?: Date;
  readonly prompt: number;
  readonly cached?: number;
  readonly completion: number;
  readonly reasoning?: number;
}

/** Writes a settled generation of any time into ledger and rollup, as the settlement would have; not the counters. */
export async function recordGeneration(gateway: TestGateway, generation: Generation): Promise<string> {
  const {
    userId,
    keyId = null,
    model = 'sim',
    at,
    arrivedAt = at,
    prompt,
    cached = 0,
    completion,
    reasoning = 0,
  } = generation;
  const requestId = uuidV7({ msecs: arrivedAt.getTime() });
  await gateway.dataSource.query(
    `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream, outcome,
       source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, time_to_first_token_ms,
       duration_ms)
     VALUES ($1, $2, $2, $3, $4, 'chat_completions', $5, false, 'completed', 'exact', 200, $6, $7, $8, $9, 12, 34)`,
    [requestId, at, userId, keyId, model, prompt, cached, completion, reasoning],
  );
  await gateway.dataSource.query(
    `INSERT INTO usage_daily AS t (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
       completion_tokens, reasoning_tokens)
     VALUES ($1, ($2::timestamptz AT TIME ZONE $3)::date,
       coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'), $5, 1, $6, $7, $8, $9)
     ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET requests = t.requests + 1,
       prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
       cached_tokens = t.cached_tokens + excluded.cached_tokens,
       completion_tokens = t.completion_tokens + excluded.completion_tokens,
       reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens`,
    [userId, at, gateway.env.LIMITS_TIME_ZONE, keyId, model, prompt, cached, completion, reasoning],
  );
  return requestId;
}
