import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing, withChanged } from '../src/database/sql-text';
import { ADMIT as ADMIT_WITHOUT_A_WORD_OF_MODELS } from './1764000001793-look-again-for-keys';

/**
 * Not in a column of its own: replicas of the versions before have statements prepared whose result must not change, and
 * of who has set a limit they ask only whether that is "self".
 */
export const ADMIT = withChanged(
  ADMIT_WITHOUT_A_WORD_OF_MODELS,
  `      limit_set_by := c_set_bys[j];`,
  `      limit_set_by := c_set_bys[j] || CASE WHEN c_models[j] = '' THEN '' ELSE ' of one model' END;`,
);

/** A refusal by a limit on one model names the model. */
export class SayWhichLimitIsOfOneModel1764000001796 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT_WITHOUT_A_WORD_OF_MODELS));
  }
}
