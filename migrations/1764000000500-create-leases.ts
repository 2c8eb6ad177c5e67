import type { MigrationInterface, QueryRunner } from 'typeorm';

const RENEW_LEASE = `
CREATE FUNCTION renew_lease(
  p_process uuid, p_name text, p_lease_ms integer, p_request_ids uuid[], p_prompt bigint[], p_completion bigint[]
) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  INSERT INTO processes (id, name, lease_until)
  VALUES (p_process, p_name, clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0))
  ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until;

  -- Whoever holds one of these rows is settling it: it needs no checkpoint any more, and nothing waits for it here.
  WITH mine AS MATERIALIZED (
    SELECT o.request_id FROM open_requests o WHERE o.request_id = ANY (p_request_ids)
    ORDER BY o.request_id FOR UPDATE SKIP LOCKED
  )
  UPDATE open_requests o
  SET prompt_tokens = c.prompt, completion_tokens = c.completion, checkpoint_at = clock_timestamp()
  FROM mine, unnest(p_request_ids, p_prompt, p_completion) AS c (request_id, prompt, completion)
  WHERE o.request_id = mine.request_id AND c.request_id = mine.request_id;
END $$`;

export const REAP = `
CREATE FUNCTION reap_requests(p_zone text, p_quiet_ms integer, p_most integer) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
DECLARE
  dead open_requests[];
BEGIN
  -- While PostgreSQL was away nobody could renew a lease: the living get one whole lease to do so.
  IF clock_timestamp() < pg_postmaster_start_time() + make_interval(secs => p_quiet_ms / 1000.0) THEN RETURN; END IF;

  SELECT array_agg(o) INTO dead FROM (
    SELECT * FROM open_requests o
    WHERE NOT EXISTS (SELECT 1 FROM processes p WHERE p.id = o.process_id AND p.lease_until > clock_timestamp())
    ORDER BY o.request_id LIMIT p_most FOR UPDATE SKIP LOCKED
  ) o;
  IF dead IS NULL THEN RETURN; END IF;

  RETURN QUERY SELECT settle_requests(
    p_zone,
    array_agg(d.request_id), array_agg('upstream_error'::text), array_agg('estimated'::text), array_agg(500),
    array_agg(coalesce(d.prompt_tokens, 0)), array_agg(0::bigint), array_agg(coalesce(d.completion_tokens, 0)),
    array_agg(0::bigint), array_agg(NULL::integer),
    array_agg(least(extract(epoch FROM clock_timestamp() - d.admitted_at) * 1000, 2147483647)::integer),
    true)
  FROM unnest(dead) d;
END $$`;

export const RELEASE = `
CREATE FUNCTION release_requests(p_zone text, p_request_ids uuid[]) RETURNS SETOF uuid LANGUAGE sql AS $$
  SELECT settle_requests(p_zone, array_agg(id), array_agg('rejected'::text), array_agg('exact'::text), array_agg(503),
    array_agg(0::bigint), array_agg(0::bigint), array_agg(0::bigint), array_agg(0::bigint),
    array_agg(NULL::integer), array_agg(0), true)
  FROM unnest(p_request_ids) AS id
$$`;

export const SETTLE_LATE = `
CREATE FUNCTION settle_late(
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

  PERFORM 1 FROM limit_windows w
  WHERE (w.subject, w.subject_id) IN (('user', became.user_id), ('key', became.key_id), ('everyone', nil))
  ORDER BY w.id FOR UPDATE;
  UPDATE limit_windows w
  SET used = w.used + CASE WHEN w.metric = 'requests' THEN missing::integer
    ELSE became.prompt_tokens + became.completion_tokens - was.prompt_tokens - was.completion_tokens END
  WHERE (w.subject, w.subject_id) IN (('user', became.user_id), ('key', became.key_id), ('everyone', nil))
    AND w.metric <> 'concurrent_requests' AND (w.model = '' OR w.model = became.model)
    AND w.window_start <= became.admitted_at;

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

/** What keeps the ledger whole when a gateway or PostgreSQL dies: leases, checkpoints, the reaper, late settlement. */
export class CreateLeases1764000000500 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(RENEW_LEASE);
    await queryRunner.query(REAP);
    await queryRunner.query(RELEASE);
    await queryRunner.query(SETTLE_LATE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `DROP FUNCTION settle_late(text, uuid, uuid, uuid, text, text, boolean, text, text, integer, bigint, bigint, bigint, bigint, integer, integer, boolean)`,
    );
    await queryRunner.query(`DROP FUNCTION release_requests(text, uuid[])`);
    await queryRunner.query(`DROP FUNCTION reap_requests(text, integer, integer)`);
    await queryRunner.query(`DROP FUNCTION renew_lease(uuid, text, integer, uuid[], bigint[], bigint[])`);
  }
}
