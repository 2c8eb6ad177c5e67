import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing, withChanged } from '../src/database/sql-text';
import { ADMIT as ADMIT_IN_ANY_ORDER } from './1764000001780-roll-by-one-time';

export const ADMIT = withChanged(
  ADMIT_IN_ANY_ORDER,
  `  FROM unnest(o_ids, o_positions, o_granted, o_held) AS o (id, i, granted, held);
`,
  `  FROM unnest(o_ids, o_positions, o_granted, o_held) AS o (id, i, granted, held)
  -- Who finds a key that another batch is writing waits for that batch: in one order for all, never in a ring.
  ORDER BY p_user_ids[o.i], p_idempotency_keys[o.i];
`,
);

/** Two batches with the same idempotency keys in opposite orders were a deadlock, and 503 for all of one of them. */
export class AdmitInOrderOfKeys1764000001784 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT_IN_ANY_ORDER));
  }
}
