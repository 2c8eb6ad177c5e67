import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing } from '../src/database/sql-text';
import { ADMIT as ADMIT_EVERYWHERE } from './1764000000300-create-admission';
import { SETTLE as SETTLE_ROLLED } from './1764000000350-create-settlement';
import { SETTLE_LATE as SETTLE_LATE_ROLLED } from './1764000000500-create-leases';
import { SETTLE } from './1764000001320-settle-and-roll';
import { SETTLE_LATE } from './1764000001330-correct-and-roll';

export const ADMIT = `
CREATE FUNCTION admit_requests(
  p_process uuid, p_zone text,
  p_request_ids uuid[], p_user_ids uuid[], p_key_ids uuid[], p_endpoints text[], p_models text[],
  p_streams boolean[], p_prompt_bounds bigint[], p_wants bigint[], p_minimums bigint[], p_idempotency_keys text[] DEFAULT NULL
) RETURNS TABLE (
  verdict text, granted bigint, limit_subject text, limit_metric text, limit_period text, limit_set_by text,
  limit_amount bigint, limit_used bigint, room_at timestamptz,
  token_limit bigint, token_remaining bigint, tokens_reset_at timestamptz,
  request_limit bigint, request_remaining bigint, requests_reset_at timestamptz
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  codes text[];
  c_ids bigint[]; c_subjects text[]; c_subject_ids uuid[]; c_metrics text[]; c_periods text[]; c_models text[];
  c_starts timestamptz[]; c_used bigint[]; c_reserved bigint[]; c_previous bigint[];
  c_amounts bigint[]; c_set_bys text[]; c_changed boolean[]; c_ends timestamptz[]; c_weighted bigint[];
  slices jsonb;
  slice jsonb;
  right_now timestamptz;
  started timestamptz;
  newest timestamptz := '-infinity';
  room bigint; room_unless_reserved bigint; room_for_requests bigint; available bigint;
  tight integer; tight_used integer; tight_requests integer; rated integer; spent integer; mine integer[]; held bigint[];
  o_ids uuid[] := '{}'; o_positions integer[] := '{}'; o_granted bigint[] := '{}'; o_held text[] := '{}';
  j integer;
  comes_in boolean; only_tokens boolean; tightest bigint[]; window_over_at timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(counting_lock());
  -- A request that comes alone, and has room in every limit, which are all on tokens: the usual case. One look, two
  -- writes; whatever else there is to decide is decided below, with the same rows locked.
  IF cardinality(p_request_ids) = 1 AND p_idempotency_keys IS NULL THEN
    WITH locked AS MATERIALIZED (
      SELECT w.id, w.subject, w.subject_id, w.metric, w.period, w.model, w.window_start, w.used + w.reserved AS taken
      FROM (VALUES ('user', p_user_ids[1]), ('key', p_key_ids[1]), ('everyone', nil)) AS p (subject, subject_id)
      JOIN limit_windows w ON w.subject = p.subject AND w.subject_id = p.subject_id AND w.reserves
      ORDER BY w.id FOR UPDATE OF w
    )
    SELECT array_agg(id), max(window_start), min(ends_at), coalesce(bool_and(metric = 'tokens' AND model = ''), true),
      min(ARRAY[amount - taken - p_wants[1], amount, CASE WHEN isfinite(ends_at) THEN extract(epoch FROM ends_at)::bigint END])
        FILTER (WHERE amount IS NOT NULL),
      (SELECT u.status = 'active' AND u.deleted_at IS NULL AND (p_key_ids[1] IS NULL
          OR k.user_id = u.id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
            AND (k.models IS NULL OR p_models[1] = ANY (k.models)))
        FROM users u LEFT JOIN api_keys k ON k.id = p_key_ids[1] WHERE u.id = p_user_ids[1])
    INTO held, newest, window_over_at, only_tokens, tightest, comes_in
    FROM (
      SELECT w.*, limit_window_end(w.period, w.window_start, p_zone) AS ends_at,
        (SELECT min(CASE WHEN i.temporary_until > clock_timestamp() THEN coalesce(i.temporary_amount, i.amount)
            ELSE i.amount END)
          FROM limits i
          WHERE i.subject = w.subject AND i.subject_id = w.subject_id AND i.metric = w.metric AND i.period = w.period
            AND i.model = w.model) AS amount
      FROM locked w
    ) w;
    -- The clock is read after the locks: a request that waited behind a roll belongs to the new window.
    right_now := greatest(clock_timestamp(), newest);
    IF comes_in AND only_tokens AND coalesce(window_over_at > right_now, true) AND coalesce(tightest[1] >= 0, true) THEN
      UPDATE limit_windows w SET reserved = w.reserved + p_wants[1] WHERE w.id = ANY (held);
      INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, key_id, endpoint, model, stream,
        prompt_bound, reserved, held)
      VALUES (p_request_ids[1], p_process, right_now, p_user_ids[1], p_key_ids[1], p_endpoints[1], p_models[1],
        p_streams[1], p_prompt_bounds[1], p_wants[1], coalesce(held, '{}'));
      verdict := 'admitted'; granted := p_wants[1];
      token_limit := tightest[2]; token_remaining := tightest[1]; tokens_reset_at := to_timestamp(tightest[3]);
      RETURN NEXT;
      RETURN;
    END IF;
    newest := '-infinity';
  END IF;

  -- 1. Who may come in at all. Decided here, in the database, so that every replica agrees at once.
  SELECT array_agg(CASE
      WHEN r.idempotency_key IS NOT NULL AND EXISTS (
        SELECT 1 FROM open_requests o WHERE o.user_id = r.user_id AND o.idempotency_key = r.idempotency_key) THEN 'in_flight'
      WHEN u.id IS NULL OR u.status <> 'active' OR u.deleted_at IS NOT NULL THEN 'user_inactive'
      WHEN r.key_id IS NULL THEN NULL
      WHEN k.id IS NULL OR k.revoked_at IS NOT NULL OR k.user_id <> r.user_id THEN 'key_invalid'
      WHEN k.expires_at <= clock_timestamp() THEN 'key_invalid'
      WHEN k.models IS NOT NULL AND NOT (r.model = ANY (k.models)) THEN 'model_forbidden'
    END ORDER BY r.position)
  INTO codes
  FROM unnest(p_user_ids, p_key_ids, p_models, p_idempotency_keys) WITH ORDINALITY
    AS r (user_id, key_id, model, idempotency_key, position)
  LEFT JOIN users u ON u.id = r.user_id
  LEFT JOIN api_keys k ON k.id = r.key_id;

  -- 2. Lock every counter that something is reserved or counted in at once, always in the order of id: no two batches can
  -- wait for each other in a ring.
  WITH principals AS MATERIALIZED (
    SELECT DISTINCT 'user' AS subject, r.id AS subject_id
      FROM unnest(p_user_ids, codes) AS r (id, code) WHERE r.code IS NULL
    UNION ALL
    SELECT DISTINCT 'key', r.id FROM unnest(p_key_ids, codes) AS r (id, code)
      WHERE r.code IS NULL AND r.id IS NOT NULL
    UNION ALL
    SELECT 'everyone', nil
  ), locked AS MATERIALIZED (
    SELECT w.* FROM principals p
    JOIN limit_windows w ON w.subject = p.subject AND w.subject_id = p.subject_id AND w.reserves
    ORDER BY w.id FOR UPDATE OF w
  )
  -- A sorted subquery feeds all aggregates at once; ORDER BY inside each would sort eleven times.
  SELECT array_agg(id), array_agg(subject), array_agg(subject_id), array_agg(metric), array_agg(period),
    array_agg(model), array_agg(window_start), array_agg(used), array_agg(reserved), array_agg(previous),
    array_agg(false)
  INTO c_ids, c_subjects, c_subject_ids, c_metrics, c_periods, c_models, c_starts, c_used, c_reserved,
    c_previous, c_changed
  FROM (SELECT * FROM locked ORDER BY subject, subject_id, id) sorted;

  -- The clock is read after the locks: a request that waited behind a roll belongs to the new window.
  right_now := clock_timestamp();
  FOR j IN 1 .. coalesce(cardinality(c_ids), 0) LOOP
    CONTINUE WHEN c_metrics[j] = 'concurrent_requests';
    started := limit_window_start(c_periods[j], right_now, p_zone);
    IF started > c_starts[j] THEN
      c_previous[j] := CASE WHEN limit_window_end(c_periods[j], c_starts[j], p_zone) = started
        THEN c_used[j] ELSE 0 END;
      c_used[j] := 0;
      c_reserved[j] := 0;
      c_starts[j] := started;
      c_changed[j] := true;
    END IF;
    newest := greatest(newest, c_starts[j]);
  END LOOP;
  right_now := greatest(right_now, newest);

  -- 3. The smallest amount that applies to each counter; none: it only counts. Requests a minute or an hour slide: of
  -- the window before, the part that still lies within the length of a window counts as if it had been even.
  SELECT array_agg(amount), array_agg(set_by), array_agg(ends_at), array_agg(weighted)
  INTO c_amounts, c_set_bys, c_ends, c_weighted
  FROM (
    SELECT l.amount, l.set_by, e.ends_at, CASE WHEN l.amount IS NOT NULL AND c.metric = 'requests'
        AND c.period IN ('minute', 'hour') AND c.previous > 0
      THEN ceil(c.previous * extract(epoch FROM e.ends_at - right_now) / extract(epoch FROM e.ends_at - c.started_at))::bigint
      ELSE 0 END AS weighted
    FROM unnest(c_subjects, c_subject_ids, c_metrics, c_periods, c_models, c_starts, c_previous) WITH ORDINALITY
      AS c (subject, subject_id, metric, period, model, started_at, previous, n)
    LEFT JOIN LATERAL (
      SELECT CASE WHEN i.temporary_until > right_now THEN coalesce(i.temporary_amount, i.amount) ELSE i.amount END
          AS amount, i.set_by
      FROM limits i
      WHERE i.subject = c.subject AND i.subject_id = c.subject_id AND i.metric = c.metric
        AND i.period = c.period AND i.model = c.model
      ORDER BY 1 LIMIT 1
    ) l ON true
    CROSS JOIN LATERAL (SELECT CASE WHEN l.amount IS NOT NULL AND c.metric <> 'concurrent_requests'
      THEN limit_window_end(c.period, right_now, p_zone) END AS ends_at) e
    ORDER BY c.n
  ) sorted;

  SELECT jsonb_object_agg(s.subject_id, jsonb_build_array(s.low, s.high)) INTO slices
  FROM (SELECT c.subject_id, min(c.n) AS low, max(c.n) AS high
        FROM unnest(c_subject_ids) WITH ORDINALITY AS c (subject_id, n) GROUP BY c.subject_id) s;

  -- 4. Decide in arrival order against the running remainders: all limits or none.
  FOR i IN 1 .. cardinality(p_request_ids) LOOP
    verdict := codes[i]; granted := 0; limit_subject := NULL; limit_metric := NULL; limit_period := NULL;
    limit_set_by := NULL; limit_amount := NULL; limit_used := NULL; room_at := NULL;
    token_limit := NULL; token_remaining := NULL; tokens_reset_at := NULL;
    request_limit := NULL; request_remaining := NULL; requests_reset_at := NULL;
    IF verdict IS NOT NULL THEN RETURN NEXT; CONTINUE; END IF;

    mine := '{}'; held := '{}'; room := NULL; room_unless_reserved := NULL; room_for_requests := NULL;
    tight := 0; tight_used := 0; tight_requests := 0; rated := 0; spent := 0;
    FOREACH slice IN ARRAY ARRAY[slices -> p_user_ids[i]::text, slices -> p_key_ids[i]::text, slices -> nil::text] LOOP
      CONTINUE WHEN slice IS NULL;
      FOR j IN (slice ->> 0)::integer .. (slice ->> 1)::integer LOOP
        CONTINUE WHEN c_models[j] <> '' AND c_models[j] <> p_models[i];
        mine := mine || j;
        CONTINUE WHEN c_amounts[j] IS NULL;
        available := c_amounts[j] - c_used[j] - c_reserved[j];
        IF c_metrics[j] = 'tokens' THEN
          IF room IS NULL OR available < room THEN room := available; tight := j; END IF;
          -- A short window that is full opens again soon; one that this request could never pass does not.
          IF c_periods[j] IN ('minute', 'hour') AND c_amounts[j] >= p_minimums[i] THEN
            IF c_amounts[j] - c_used[j] < p_minimums[i] AND (rated = 0 OR c_ends[j] > coalesce(room_at, right_now)) THEN
              rated := j; room_at := c_ends[j];
            END IF;
          ELSIF room_unless_reserved IS NULL OR c_amounts[j] - c_used[j] < room_unless_reserved THEN
            room_unless_reserved := c_amounts[j] - c_used[j]; tight_used := j;
          END IF;
        ELSIF c_metrics[j] = 'requests' THEN
          available := available - c_weighted[j];
          IF room_for_requests IS NULL OR available < room_for_requests THEN
            room_for_requests := available; tight_requests := j;
          END IF;
          CONTINUE WHEN available >= 1;
          IF c_amounts[j] = 0 OR c_periods[j] NOT IN ('minute', 'hour') THEN spent := j; CONTINUE; END IF;
          -- When what counts will have slid below the amount: in this window, or else in the next one.
          started := CASE WHEN c_used[j] < c_amounts[j]
            THEN c_ends[j] - (c_ends[j] - c_starts[j]) * ((c_amounts[j] - 1 - c_used[j])::float / c_previous[j])
            ELSE c_ends[j] + (c_ends[j] - c_starts[j]) * (1 - (c_amounts[j] - 1)::float / c_used[j]) END;
          IF rated = 0 OR started > coalesce(room_at, right_now) THEN rated := j; room_at := started; END IF;
        ELSIF available < 1 THEN
          IF c_amounts[j] = 0 THEN spent := j; ELSIF rated = 0 THEN rated := j; END IF;
        END IF;
      END LOOP;
    END LOOP;

    -- What only waiting until the window ends can mend comes first: a client told to retry would do so in vain.
    IF room_unless_reserved < p_minimums[i] THEN
      verdict := 'exhausted'; j := tight_used; room_at := c_ends[j];
    ELSIF spent <> 0 THEN
      verdict := 'exhausted'; j := spent; room_at := c_ends[j];
    ELSIF rated <> 0 THEN
      verdict := 'rate_limited'; j := rated;
    ELSIF room < p_minimums[i] THEN
      verdict := 'busy'; j := tight;
    ELSE
      verdict := 'admitted'; j := 0; granted := least(p_wants[i], coalesce(room, p_wants[i]));
    END IF;
    IF j <> 0 THEN
      limit_subject := c_subjects[j]; limit_metric := c_metrics[j]; limit_period := c_periods[j];
      limit_set_by := c_set_bys[j]; limit_amount := c_amounts[j]; limit_used := c_used[j];
    END IF;
    IF tight <> 0 THEN
      token_limit := c_amounts[tight]; token_remaining := greatest(room - granted, 0); tokens_reset_at := c_ends[tight];
    END IF;
    IF tight_requests <> 0 THEN
      request_limit := c_amounts[tight_requests]; requests_reset_at := c_ends[tight_requests];
      request_remaining := greatest(room_for_requests - CASE verdict WHEN 'admitted' THEN 1 ELSE 0 END, 0);
    END IF;
    RETURN NEXT;
    CONTINUE WHEN verdict <> 'admitted';

    FOREACH j IN ARRAY mine LOOP
      c_changed[j] := true;
      IF c_metrics[j] = 'requests' THEN
        c_used[j] := c_used[j] + 1;
      ELSE
        c_reserved[j] := c_reserved[j] + CASE WHEN c_metrics[j] = 'tokens' THEN granted ELSE 1 END;
        held := held || c_ids[j];
      END IF;
    END LOOP;
    o_ids := o_ids || p_request_ids[i]; o_positions := o_positions || i;
    o_granted := o_granted || granted; o_held := o_held || held::text;
  END LOOP;

  -- 5. Write once.
  UPDATE limit_windows w
  SET window_start = c.window_start, used = c.used, reserved = c.reserved, previous = c.previous
  FROM unnest(c_ids, c_starts, c_used, c_reserved, c_previous, c_changed)
    AS c (id, window_start, used, reserved, previous, changed)
  WHERE w.id = c.id AND c.changed;

  INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, key_id, endpoint, model, stream,
    prompt_bound, reserved, held, idempotency_key)
  SELECT o.id, p_process, right_now, p_user_ids[o.i], p_key_ids[o.i], p_endpoints[o.i], p_models[o.i],
    p_streams[o.i], p_prompt_bounds[o.i], o.granted, o.held::bigint[], p_idempotency_keys[o.i]
  FROM unnest(o_ids, o_positions, o_granted, o_held) AS o (id, i, granted, held);
END $$`;

const ARGUMENTS =
  'uuid, text, uuid[], uuid[], uuid[], text[], text[], boolean[], bigint[], bigint[], bigint[]';

/**
 * Admission locks and writes only the counters that reserve: of those that only count, settlement takes care. One request
 * alone takes a shorter way. Of requests of one user with the same idempotency key one is under way at a time.
 *
 * Both kinds of settlement roll those counters from the same moment on: the migrations that follow may have to wait for
 * hours for whoever reads the ledger, and what is settled meanwhile would be counted in windows that are over.
 */
export class AdmitWhereLimited1764000001310 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE open_requests ADD COLUMN idempotency_key text`);
    await queryRunner.query(`
      CREATE UNIQUE INDEX open_requests_idempotency_key ON open_requests (user_id, idempotency_key)
      WHERE idempotency_key IS NOT NULL`);
    await queryRunner.query(`DROP FUNCTION admit_requests(${ARGUMENTS})`);
    await queryRunner.query(ADMIT);
    await queryRunner.query(SETTLE);
    await queryRunner.query(SETTLE_LATE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(SETTLE_LATE_ROLLED));
    await queryRunner.query(replacing(SETTLE_ROLLED));
    await queryRunner.query(`DROP FUNCTION admit_requests(${ARGUMENTS}, text[])`);
    await queryRunner.query(ADMIT_EVERYWHERE);
    await queryRunner.query(`ALTER TABLE open_requests DROP COLUMN idempotency_key`);
  }
}
