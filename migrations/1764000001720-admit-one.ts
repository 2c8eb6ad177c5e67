import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing } from '../src/database/sql-text';
import { ADMIT } from './1764000001310-admit-where-limited';

/**
 * Admits a request that comes alone and has room in every limit, which are all on tokens: the usual case.
 * @returns the tightest limit, what is left of it and when it resets (seconds since 1970), each NULL where there is none;
 * NULL in place of all three when nothing was written, because it is for admit_requests() to decide.
 */
const ADMIT_ONE = `
CREATE FUNCTION admit_request(
  p_process uuid, p_zone text, p_request_id uuid, p_user_id uuid, p_key_id uuid, p_endpoint text, p_model text,
  p_stream boolean, p_prompt_bound bigint, p_want bigint
) RETURNS bigint[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  held bigint[];
  newest timestamptz;
  window_over_at timestamptz;
  only_tokens boolean;
  tightest bigint[];
  comes_in boolean;
  right_now timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(counting_lock());
  -- The ids of users and keys are never the same, nor that of everyone: which of the three a row is of need not be asked.
  WITH locked AS MATERIALIZED (
    SELECT w.id, w.subject, w.subject_id, w.metric, w.period, w.model, w.window_start, w.used + w.reserved AS taken
    FROM limit_windows w
    WHERE w.subject = ANY (ARRAY['user', 'key', 'everyone']) AND w.subject_id = ANY (ARRAY[p_user_id, p_key_id, nil])
      AND w.reserves
    ORDER BY w.id FOR UPDATE OF w
  )
  SELECT array_agg(id), max(window_start), min(ends_at), coalesce(bool_and(metric = 'tokens' AND model = ''), true),
    min(ARRAY[amount - taken - p_want, amount, CASE WHEN isfinite(ends_at) THEN extract(epoch FROM ends_at)::bigint END])
      FILTER (WHERE amount IS NOT NULL),
    (SELECT u.status = 'active' AND u.deleted_at IS NULL AND (p_key_id IS NULL
        OR k.user_id = u.id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
          AND (k.models IS NULL OR p_model = ANY (k.models)))
      FROM users u LEFT JOIN api_keys k ON k.id = p_key_id WHERE u.id = p_user_id)
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
  IF NOT coalesce(comes_in, false) OR NOT only_tokens OR window_over_at <= right_now OR tightest[1] < 0 THEN
    RETURN NULL;
  END IF;
  UPDATE limit_windows w SET reserved = w.reserved + p_want WHERE w.id = ANY (held);
  INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, key_id, endpoint, model, stream,
    prompt_bound, reserved, held)
  VALUES (p_request_id, p_process, right_now, p_user_id, p_key_id, p_endpoint, p_model, p_stream, p_prompt_bound,
    p_want, coalesce(held, '{}'));
  RETURN ARRAY[tightest[2], tightest[1], tightest[3]];
END $$`;

export const WITHOUT_THE_SHORT_WAY = ADMIT.replace(
  / {2}-- A request that comes alone, [^]*?\n {4}newest := '-infinity';\n {2}END IF;\n\n/,
  '',
).replace('  comes_in boolean; only_tokens boolean; tightest bigint[]; window_over_at timestamptz;\n', '');

/**
 * The short way of admission becomes a function of its own with plain parameters and one small value as its answer: a
 * sixth of its work was to take arrays apart and to put fifteen columns together.
 */
export class AdmitOne1764000001720 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(ADMIT_ONE);
    await queryRunner.query(replacing(WITHOUT_THE_SHORT_WAY));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT));
    await queryRunner.query(
      `DROP FUNCTION admit_request(uuid, text, uuid, uuid, uuid, text, text, boolean, bigint, bigint)`,
    );
  }
}
