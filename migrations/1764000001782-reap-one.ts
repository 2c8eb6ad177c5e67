import type { MigrationInterface, QueryRunner } from 'typeorm';
import { withChanged } from '../src/database/sql-text';
import { REAP_IN_ORDER as REAP_ALL } from './1764000001330-correct-and-roll';

const CHANGES: readonly (readonly [from: string, to: string])[] = [
  ['p_most integer) RETURNS', 'p_most integer, p_only uuid DEFAULT NULL) RETURNS'],
  ['    WHERE NOT EXISTS (', '    WHERE (p_only IS NULL OR o.request_id = p_only) AND NOT EXISTS ('],
];

const REAP = CHANGES.reduce((text, [from, to]) => withChanged(text, from, to), REAP_ALL);

/** One request of dead processes can be settled by itself: one that cannot be settled held up all others. */
export class ReapOne1764000001782 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION reap_requests(text, integer, integer)`);
    await queryRunner.query(REAP);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION reap_requests(text, integer, integer, uuid)`);
    await queryRunner.query(REAP_ALL);
  }
}
