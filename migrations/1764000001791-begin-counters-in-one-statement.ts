import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing, withChanged } from '../src/database/sql-text';
import { BEGIN_RESERVING as BY_ROWS } from './1764000001300-counters-that-reserve';

// Of the parameter and not of the column, which is the same: so that each counter finds its requests, or each request its
// counter. With both sides in one CASE all were compared with all, 2.7 s for 500 counters and 5,000 open requests.
const BEGIN_RESERVING = withChanged(
  BY_ROWS,
  `w.subject_id = CASE w.subject WHEN 'user' THEN o.user_id WHEN 'key' THEN o.key_id ELSE w.subject_id END`,
  `w.subject_id = CASE p_subject WHEN 'user' THEN o.user_id WHEN 'key' THEN o.key_id
        ELSE '00000000-0000-0000-0000-000000000000' END`,
);

/**
 * Makes the counters of subjects that do not have so many yet, and lets them reserve: from its end on they count, and hold
 * what requests under way have reserved. In one statement, as nobody is admitted or settled anywhere meanwhile: a process
 * that stands still between two of them would hold up everybody. Whoever waits for the lock holds up all who come after,
 * as well: so not for longer than a slow commit takes.
 */
const BEGIN_COUNTERS = `
CREATE FUNCTION begin_counters(
  p_subject text, p_subject_ids uuid[], p_metric text, p_period text, p_model text, p_zone text, p_most bigint
) RETURNS void LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(counting_lock());
  INSERT INTO limit_windows (subject, subject_id, metric, period, model, window_start, backfill_before)
  SELECT p_subject, s.id, p_metric, p_period, p_model, limit_window_start(p_period, t.now, p_zone), t.now
  FROM clock_timestamp() AS t (now), unnest(p_subject_ids) AS s (id)
  WHERE (SELECT count(*) FROM limit_windows w WHERE w.subject = p_subject AND w.subject_id = s.id) < p_most
  ON CONFLICT DO NOTHING;
  PERFORM begin_reserving(p_subject, p_subject_ids, p_metric, p_period, p_model, p_zone);
END $$`;

/** A default for many users, or a process that stood still while it made a counter, kept all replicas from admitting. */
export class BeginCountersInOneStatement1764000001791 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(BEGIN_RESERVING));
    await queryRunner.query(BEGIN_COUNTERS);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION begin_counters(text, uuid[], text, text, text, text, bigint)`);
    await queryRunner.query(replacing(BY_ROWS));
  }
}
