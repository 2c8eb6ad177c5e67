import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing, withChanged } from '../src/database/sql-text';
import { ADMIT as ADMIT_BY_ONE_LOOK } from './1764000001784-admit-in-order-of-keys';

export const ADMIT = withChanged(
  ADMIT_BY_ONE_LOOK,
  `  FROM (SELECT * FROM locked ORDER BY subject, subject_id, id) sorted;
`,
  `  FROM (SELECT * FROM locked ORDER BY subject, subject_id, id) sorted;

  -- While the counters were waited for, somebody else may have come in with the same key. Whoever wrote it later would wait,
  -- with these counters, for the end of that request, which waits for them.
  IF p_idempotency_keys IS NOT NULL THEN
    SELECT array_agg(CASE
        WHEN r.code IS NULL AND r.idempotency_key IS NOT NULL AND EXISTS (
          SELECT 1 FROM open_requests o WHERE o.user_id = r.user_id AND o.idempotency_key = r.idempotency_key) THEN 'in_flight'
        ELSE r.code
      END ORDER BY r.position)
    INTO codes
    FROM unnest(p_user_ids, p_idempotency_keys, codes) WITH ORDINALITY AS r (user_id, idempotency_key, code, position);
  END IF;
`,
);

/** An admission and the settlement of another request with its idempotency key were a deadlock, and a second for both. */
export class LookAgainForKeys1764000001793 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT_BY_ONE_LOOK));
  }
}
