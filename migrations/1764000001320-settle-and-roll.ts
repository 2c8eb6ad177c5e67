import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Rolls the windows that are over, as admission does for the counters it touches. One request alone takes a shorter way.
 * The migration before puts it in.
 */
export const SETTLE = `
CREATE OR REPLACE FUNCTION settle_requests(
  p_zone text, p_request_ids uuid[], p_outcomes text[], p_sources text[], p_statuses integer[],
  p_prompt bigint[], p_cached bigint[], p_completion bigint[], p_reasoning bigint[],
  p_first_token_ms integer[], p_duration_ms integer[], p_provisional boolean DEFAULT false
) RETURNS SETOF uuid LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  closed open_requests[];
  recorded uuid[];
  open open_requests;
  right_now timestamptz;
  minute timestamptz; hour timestamptz; day timestamptz; week timestamptz; month timestamptz;
BEGIN
  IF NOT (p_outcomes <@ ARRAY['completed', 'client_closed', 'upstream_error', 'rejected']
      AND p_sources <@ ARRAY['exact', 'estimated']) THEN
    RAISE check_violation USING MESSAGE = 'no such outcome or source';
  END IF;
  PERFORM pg_advisory_xact_lock_shared(counting_lock());
  -- Deleting the open row is what makes a settlement happen once: a second one finds nothing.
  IF cardinality(p_request_ids) = 1 THEN
    DELETE FROM open_requests WHERE request_id = p_request_ids[1] RETURNING * INTO open;
    IF NOT FOUND THEN RETURN; END IF;
    right_now := clock_timestamp();
    INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream,
      outcome, source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens,
      time_to_first_token_ms, duration_ms, provisional)
    VALUES (open.request_id, open.admitted_at, right_now, open.user_id, open.key_id, open.endpoint, open.model, open.stream,
      p_outcomes[1], p_sources[1], p_statuses[1], p_prompt[1], p_cached[1], p_completion[1], p_reasoning[1],
      p_first_token_ms[1], p_duration_ms[1], p_provisional);
    WITH locked AS MATERIALIZED (
      SELECT w.id, w.metric, w.period, w.window_start
      FROM (VALUES ('user', open.user_id), ('key', open.key_id), ('everyone', nil)) AS p (subject, subject_id)
      JOIN limit_windows w ON w.subject = p.subject AND w.subject_id = p.subject_id
      WHERE w.metric <> 'requests' AND (w.model = '' OR w.model = open.model)
      ORDER BY w.id FOR UPDATE OF w
    ), current AS (
      SELECT id, metric, greatest(window_start,
        CASE metric WHEN 'tokens' THEN limit_window_start(period, right_now, p_zone) END) AS started
      FROM locked
    )
    UPDATE limit_windows w SET window_start = c.started,
      used = CASE WHEN c.started > w.window_start THEN 0 ELSE w.used END
        + CASE WHEN c.metric = 'tokens' AND open.admitted_at >= c.started THEN p_prompt[1] + p_completion[1] ELSE 0 END,
      reserved = CASE WHEN c.started > w.window_start THEN 0 ELSE w.reserved END
        - CASE WHEN open.admitted_at < c.started OR NOT (w.id = ANY (open.held)) THEN 0
          WHEN c.metric = 'tokens' THEN open.reserved ELSE 1 END,
      previous = CASE WHEN c.started = w.window_start THEN w.previous
        WHEN limit_window_end(w.period, w.window_start, p_zone) = c.started THEN w.used ELSE 0 END
    FROM current c WHERE w.id = c.id;
    INSERT INTO usage_daily AS t (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
      completion_tokens, reasoning_tokens)
    VALUES (open.user_id, (open.admitted_at AT TIME ZONE p_zone)::date, coalesce(open.key_id, nil), open.model, 1,
      p_prompt[1], p_cached[1], p_completion[1], p_reasoning[1])
    ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET
      requests = t.requests + excluded.requests,
      prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
      cached_tokens = t.cached_tokens + excluded.cached_tokens,
      completion_tokens = t.completion_tokens + excluded.completion_tokens,
      reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens;
    RETURN NEXT open.request_id;
    RETURN;
  END IF;

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

  -- A window that is over rolls here as well: admission touches only counters that something is reserved in.
  -- The clock may be read before the locks: what another one has rolled further stays so.
  right_now := clock_timestamp();
  SELECT limit_window_start('minute', right_now, p_zone), limit_window_start('hour', right_now, p_zone),
    limit_window_start('day', right_now, p_zone), limit_window_start('week', right_now, p_zone),
    limit_window_start('month', right_now, p_zone)
  INTO minute, hour, day, week, month;
  UPDATE limit_windows w SET window_start = d.started,
    used = CASE WHEN d.started > w.window_start THEN 0 ELSE w.used END + d.used,
    reserved = CASE WHEN d.started > w.window_start THEN 0 ELSE w.reserved END - d.released,
    previous = CASE WHEN d.started = w.window_start THEN w.previous
      WHEN limit_window_end(w.period, w.window_start, p_zone) = d.started THEN w.used ELSE 0 END
  FROM (
    SELECT w.id, w.started,
      coalesce(sum(s.prompt + s.completion) FILTER (WHERE w.metric = 'tokens' AND o.admitted_at >= w.started), 0) AS used,
      coalesce(sum(CASE WHEN w.metric = 'tokens' THEN o.reserved ELSE 1 END)
        FILTER (WHERE w.id = ANY (o.held) AND o.admitted_at >= w.started), 0) AS released
    FROM unnest(closed) o
    JOIN unnest(p_request_ids, p_prompt, p_completion) AS s (request_id, prompt, completion)
      ON s.request_id = o.request_id
    CROSS JOIN LATERAL (VALUES ('user', o.user_id), ('key', o.key_id), ('everyone', nil)) AS p (subject, subject_id)
    CROSS JOIN LATERAL (
      SELECT w.id, w.metric, greatest(w.window_start, CASE WHEN w.metric = 'tokens' THEN CASE w.period
          WHEN 'month' THEN month WHEN 'day' THEN day WHEN 'minute' THEN minute WHEN 'hour' THEN hour WHEN 'week' THEN week
        END END) AS started
      FROM limit_windows w
      WHERE w.subject = p.subject AND w.subject_id = p.subject_id AND w.metric <> 'requests'
        AND (w.model = '' OR w.model = o.model)
    ) w
    -- A window that rolled after the admission has forgotten the reservation, and does not count the request.
    GROUP BY w.id, w.started
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

/** Outcome and source are checked by the settlement: a CHECK of the table is parsed anew for each statement. */
export class SettleAndRoll1764000001320 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // A partition that was attached has its own beside the inherited one.
    await queryRunner.query(`
      DO $$ DECLARE ledger regclass; BEGIN
        FOR ledger IN SELECT relid FROM pg_partition_tree('usage_records') ORDER BY level LOOP
          EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS usage_records_outcome_check,
            DROP CONSTRAINT IF EXISTS usage_records_source_check', ledger);
        END LOOP;
      END $$`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE usage_records
      ADD CONSTRAINT usage_records_outcome_check
        CHECK (outcome IN ('completed', 'client_closed', 'upstream_error', 'rejected')),
      ADD CONSTRAINT usage_records_source_check CHECK (source IN ('exact', 'estimated'))`);
  }
}
