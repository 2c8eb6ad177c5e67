import type { MigrationInterface, QueryRunner } from 'typeorm';

export const SETTLE = `
CREATE FUNCTION settle_requests(
  p_zone text, p_request_ids uuid[], p_outcomes text[], p_sources text[], p_statuses integer[],
  p_prompt bigint[], p_cached bigint[], p_completion bigint[], p_reasoning bigint[],
  p_first_token_ms integer[], p_duration_ms integer[], p_provisional boolean DEFAULT false
) RETURNS SETOF uuid LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  closed open_requests[];
  recorded uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(counting_lock());
  -- Deleting the open row is what makes a settlement happen once: a second one finds nothing.
  WITH locked AS MATERIALIZED (
    SELECT o.request_id FROM open_requests o WHERE o.request_id = ANY (p_request_ids)
    ORDER BY o.request_id FOR UPDATE
  ), gone AS (
    DELETE FROM open_requests o USING locked l WHERE o.request_id = l.request_id RETURNING o.*
  )
  SELECT array_agg(gone::open_requests) INTO closed FROM gone;
  IF closed IS NULL THEN RETURN; END IF;

  WITH written AS (
    INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream,
      outcome, source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens,
      time_to_first_token_ms, duration_ms, provisional)
    SELECT o.request_id, o.admitted_at, clock_timestamp(), o.user_id, o.key_id, o.endpoint, o.model, o.stream,
      s.outcome, s.source, s.status, s.prompt, s.cached, s.completion, s.reasoning, s.first_token_ms, s.duration_ms,
      p_provisional
    FROM unnest(closed) o
    JOIN unnest(p_request_ids, p_outcomes, p_sources, p_statuses, p_prompt, p_cached, p_completion, p_reasoning,
        p_first_token_ms, p_duration_ms)
      AS s (request_id, outcome, source, status, prompt, cached, completion, reasoning, first_token_ms, duration_ms)
      ON s.request_id = o.request_id
    RETURNING request_id
  )
  SELECT array_agg(request_id) INTO recorded FROM written;

  -- Counters: locked in admission's order, then each changed once by the sum of its deltas.
  PERFORM 1 FROM (
    SELECT w.id FROM (
      SELECT DISTINCT 'user' AS subject, o.user_id AS subject_id FROM unnest(closed) o
      UNION ALL SELECT DISTINCT 'key', o.key_id FROM unnest(closed) o WHERE o.key_id IS NOT NULL
      UNION ALL SELECT 'everyone', nil
    ) p
    JOIN limit_windows w ON w.subject = p.subject AND w.subject_id = p.subject_id
    ORDER BY w.id FOR UPDATE OF w
  ) locked;

  UPDATE limit_windows w SET used = w.used + d.used, reserved = w.reserved - d.released
  FROM (
    SELECT w.id,
      coalesce(sum(s.prompt + s.completion) FILTER (WHERE w.metric = 'tokens'), 0) AS used,
      coalesce(sum(CASE WHEN w.metric = 'tokens' THEN o.reserved ELSE 1 END)
        FILTER (WHERE w.id = ANY (o.held)), 0) AS released
    FROM unnest(closed) o
    JOIN unnest(p_request_ids, p_prompt, p_completion) AS s (request_id, prompt, completion)
      ON s.request_id = o.request_id
    CROSS JOIN LATERAL (VALUES ('user', o.user_id), ('key', o.key_id), ('everyone', nil)) AS p (subject, subject_id)
    JOIN limit_windows w ON w.subject = p.subject AND w.subject_id = p.subject_id
    WHERE w.metric <> 'requests' AND (w.model = '' OR w.model = o.model)
      -- A window that rolled after the admission has forgotten the reservation, and does not count the request.
      AND w.window_start <= o.admitted_at
    GROUP BY w.id
  ) d
  WHERE w.id = d.id;

  INSERT INTO usage_daily AS t (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
    completion_tokens, reasoning_tokens)
  SELECT o.user_id, (o.admitted_at AT TIME ZONE p_zone)::date, coalesce(o.key_id, nil), o.model, count(*),
    sum(s.prompt), sum(s.cached), sum(s.completion), sum(s.reasoning)
  FROM unnest(closed) o
  JOIN unnest(p_request_ids, p_prompt, p_cached, p_completion, p_reasoning)
    AS s (request_id, prompt, cached, completion, reasoning) ON s.request_id = o.request_id
  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET
    requests = t.requests + excluded.requests,
    prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = t.cached_tokens + excluded.cached_tokens,
    completion_tokens = t.completion_tokens + excluded.completion_tokens,
    reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens;

  RETURN QUERY SELECT unnest(recorded);
END $$`;

/** Settlement, one statement for a whole batch, in admission's lock order. */
export class CreateSettlement1764000000350 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(SETTLE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `DROP FUNCTION settle_requests(text, uuid[], text[], text[], integer[], bigint[], bigint[], bigint[], bigint[], integer[], integer[], boolean)`,
    );
  }
}
