import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing } from '../src/database/sql-text';
import { RELEASE as RELEASE_UNUSED } from './1764000000500-create-leases';

const RELEASE = `
CREATE OR REPLACE FUNCTION release_requests(p_zone text, p_request_ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
  strays open_requests[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(counting_lock());
  SELECT array_agg(o) INTO strays FROM (
    SELECT * FROM open_requests o WHERE o.request_id = ANY (p_request_ids) ORDER BY o.request_id FOR UPDATE SKIP LOCKED
  ) o;
  IF strays IS NULL THEN RETURN; END IF;

  -- What has a checkpoint was at vLLM: it is settled there, as what a dead process had open.
  RETURN QUERY SELECT settle_requests(
    p_zone,
    array_agg(s.request_id),
    array_agg(CASE WHEN s.checkpoint_at IS NULL THEN 'rejected' ELSE 'upstream_error' END),
    array_agg(CASE WHEN s.checkpoint_at IS NULL THEN 'exact' ELSE 'estimated' END),
    array_agg(CASE WHEN s.checkpoint_at IS NULL THEN 503 ELSE 500 END),
    array_agg(coalesce(s.prompt_tokens, 0)), array_agg(0::bigint), array_agg(coalesce(s.completion_tokens, 0)),
    array_agg(0::bigint), array_agg(NULL::integer),
    array_agg(CASE WHEN s.checkpoint_at IS NULL THEN 0
      ELSE least(extract(epoch FROM clock_timestamp() - s.admitted_at) * 1000, 2147483647)::integer END),
    true)
  FROM unnest(strays) s;
END $$`;

/**
 * A database that goes on from a standby that was behind has requests open again that were settled. Where a checkpoint says
 * how far they were, that is billed, and not nothing.
 */
export class ReleaseAtTheCheckpoint1764000001783 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(RELEASE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(RELEASE_UNUSED));
  }
}
