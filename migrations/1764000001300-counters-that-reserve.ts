import type { MigrationInterface, QueryRunner } from 'typeorm';

export const BEGIN_RESERVING = `
CREATE FUNCTION begin_reserving(
  p_subject text, p_subject_ids uuid[], p_metric text, p_period text, p_model text, p_zone text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ids bigint[];
BEGIN
  -- Nothing is admitted or settled meanwhile: each request is either reserved by its admission or here.
  PERFORM pg_advisory_xact_lock(counting_lock());
  WITH begun AS (
    UPDATE limit_windows w SET reserves = true, window_start = c.started,
      used = CASE WHEN c.started > w.window_start THEN 0 ELSE w.used END,
      previous = CASE WHEN c.started = w.window_start THEN w.previous
        WHEN limit_window_end(w.period, w.window_start, p_zone) = c.started THEN w.used ELSE 0 END
    FROM (
      SELECT b.id, greatest(b.window_start, limit_window_start(b.period, clock_timestamp(), p_zone)) AS started
      FROM limit_windows b
      WHERE b.subject = p_subject AND b.subject_id = ANY (p_subject_ids) AND b.metric = p_metric AND b.period = p_period
        AND b.model = p_model AND NOT b.reserves
    ) c
    WHERE w.id = c.id
    RETURNING w.id
  )
  SELECT array_agg(id) INTO ids FROM begun;
  IF ids IS NULL OR p_metric <> 'tokens' THEN RETURN; END IF;

  WITH concerned AS MATERIALIZED (
    SELECT o.request_id, w.id, o.reserved FROM open_requests o
    JOIN limit_windows w ON w.id = ANY (ids) AND w.window_start <= o.admitted_at AND (w.model = '' OR w.model = o.model)
      AND w.subject_id = CASE w.subject WHEN 'user' THEN o.user_id WHEN 'key' THEN o.key_id ELSE w.subject_id END
    WHERE NOT (w.id = ANY (o.held))
  ), holding AS (
    UPDATE open_requests o SET held = o.held || c.id FROM concerned c WHERE o.request_id = c.request_id
  )
  UPDATE limit_windows w SET reserved = w.reserved + c.reserved
  FROM (SELECT id, sum(reserved)::bigint AS reserved FROM concerned GROUP BY id) c WHERE w.id = c.id;
END $$`;

const CREATE_LIMIT_COUNTER = (conflict: string, columns = '', values = '') => `
CREATE OR REPLACE FUNCTION create_limit_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO limit_windows AS w (subject, subject_id, metric, period, model${columns})
  VALUES (NEW.subject, NEW.subject_id, NEW.metric, NEW.period, NEW.model${values})
  ON CONFLICT ${conflict};
  RETURN NULL;
END $$`;

/**
 * The tokens of a user and a key are always counted by day, month and in total, but only where there is a limit does it
 * matter what is reserved: the other counters are written once a request, at its settlement.
 */
export class CountersThatReserve1764000001300 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE limit_windows ADD COLUMN reserves boolean NOT NULL DEFAULT false`);
    await queryRunner.query(`
      UPDATE limit_windows w SET reserves = true
      WHERE w.metric <> 'tokens' OR EXISTS (
        SELECT 1 FROM limits l WHERE l.subject = w.subject AND l.subject_id = w.subject_id AND l.metric = w.metric
          AND l.period = w.period AND l.model = w.model)`);
    await queryRunner.query(
      CREATE_LIMIT_COUNTER(
        '(subject, subject_id, metric, period, model) DO UPDATE SET reserves = true WHERE NOT w.reserves',
        ', reserves',
        ', true',
      ),
    );
    await queryRunner.query(BEGIN_RESERVING);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION begin_reserving(text, uuid[], text, text, text, text)`);
    await queryRunner.query(CREATE_LIMIT_COUNTER('DO NOTHING'));
    await queryRunner.query(`ALTER TABLE limit_windows DROP COLUMN reserves`);
  }
}
