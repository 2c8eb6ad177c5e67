import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing } from '../src/database/sql-text';
import { REAP } from './1764000000500-create-leases';

/** Late settlement rolls the windows that are over before it counts in them. The migration 1310 puts it in. */
export const SETTLE_LATE = `
CREATE OR REPLACE FUNCTION settle_late(
  p_zone text, p_request_id uuid, p_user_id uuid, p_key_id uuid, p_endpoint text, p_model text, p_stream boolean,
  p_outcome text, p_source text, p_status integer, p_prompt bigint, p_cached bigint, p_completion bigint,
  p_reasoning bigint, p_first_token_ms integer, p_duration_ms integer, p_insert boolean
) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  was usage_records;
  became usage_records;
  missing boolean;
BEGIN
  IF p_outcome NOT IN ('completed', 'client_closed', 'upstream_error', 'rejected')
      OR p_source NOT IN ('exact', 'estimated') THEN
    RAISE check_violation USING MESSAGE = 'no such outcome or source';
  END IF;
  PERFORM pg_advisory_xact_lock_shared(counting_lock());
  SELECT * INTO was FROM usage_records WHERE request_id = p_request_id FOR UPDATE;
  missing := NOT FOUND;
  IF missing THEN
    -- Admitted, but no trace of it is left: a server that came back from a backup, or a replica that was behind.
    -- Or its admission was committed only now, after its answer had been given up: settled in the usual way.
    IF EXISTS (SELECT 1 FROM open_requests WHERE request_id = p_request_id) THEN RETURN 'open'; END IF;
    IF NOT p_insert THEN RETURN 'absent'; END IF;
    -- So old that its month is dropped: it was settled, at least at a checkpoint, and is counted.
    IF EXISTS (SELECT 1 FROM usage_retention WHERE kept_from > uuid_v7_time(p_request_id)) THEN RETURN 'known'; END IF;
    INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream,
      outcome, source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens,
      time_to_first_token_ms, duration_ms)
    VALUES (p_request_id, least(uuid_v7_time(p_request_id), clock_timestamp()), clock_timestamp(), p_user_id,
      p_key_id, p_endpoint, p_model, p_stream, p_outcome, p_source, p_status, p_prompt, p_cached, p_completion,
      p_reasoning, p_first_token_ms, p_duration_ms)
    ON CONFLICT (request_id) DO NOTHING
    RETURNING * INTO became;
    IF NOT FOUND THEN RETURN 'known'; END IF;
    was := became;
    was.prompt_tokens := 0; was.cached_tokens := 0; was.completion_tokens := 0; was.reasoning_tokens := 0;
  ELSIF NOT was.provisional THEN
    RETURN 'known';
  ELSE
    UPDATE usage_records SET outcome = p_outcome, source = p_source, status = p_status, prompt_tokens = p_prompt,
      cached_tokens = p_cached, completion_tokens = p_completion, reasoning_tokens = p_reasoning,
      time_to_first_token_ms = p_first_token_ms, duration_ms = p_duration_ms, settled_at = clock_timestamp(),
      provisional = false
    WHERE request_id = p_request_id
    RETURNING * INTO became;
  END IF;

  WITH locked AS MATERIALIZED (
    SELECT w.id, greatest(w.window_start, limit_window_start(w.period, clock_timestamp(), p_zone)) AS started
    FROM limit_windows w
    WHERE (w.subject, w.subject_id) IN (('user', became.user_id), ('key', became.key_id), ('everyone', nil))
      AND w.metric <> 'concurrent_requests' AND (w.model = '' OR w.model = became.model)
    ORDER BY w.id FOR UPDATE
  )
  UPDATE limit_windows w SET window_start = l.started,
    used = CASE WHEN l.started > w.window_start THEN 0 ELSE w.used END
      + CASE WHEN became.admitted_at < l.started THEN 0 WHEN w.metric = 'requests' THEN missing::integer
        ELSE became.prompt_tokens + became.completion_tokens - was.prompt_tokens - was.completion_tokens END,
    reserved = CASE WHEN l.started > w.window_start THEN 0 ELSE w.reserved END,
    previous = CASE WHEN l.started = w.window_start THEN w.previous
      WHEN limit_window_end(w.period, w.window_start, p_zone) = l.started THEN w.used ELSE 0 END
  FROM locked l WHERE w.id = l.id;

  INSERT INTO usage_daily AS t (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
    completion_tokens, reasoning_tokens)
  VALUES (became.user_id, (became.admitted_at AT TIME ZONE p_zone)::date, coalesce(became.key_id, nil),
    became.model, missing::integer, became.prompt_tokens - was.prompt_tokens,
    became.cached_tokens - was.cached_tokens, became.completion_tokens - was.completion_tokens,
    became.reasoning_tokens - was.reasoning_tokens)
  ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET
    requests = t.requests + excluded.requests,
    prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = t.cached_tokens + excluded.cached_tokens,
    completion_tokens = t.completion_tokens + excluded.completion_tokens,
    reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens;
  RETURN CASE WHEN missing THEN 'inserted' ELSE 'corrected' END;
END $$`;

// Before it locks open requests: who takes up their reservations holds this lock alone, and then wants those rows.
export const REAP_IN_ORDER = replacing(REAP).replace(
  '\nBEGIN\n',
  '\nBEGIN\n  PERFORM pg_advisory_xact_lock_shared(counting_lock());\n',
);

/** The reaper takes the locks of counting and of open requests in the order of all others. */
export class CorrectAndRoll1764000001330 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REAP_IN_ORDER);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(REAP));
  }
}
