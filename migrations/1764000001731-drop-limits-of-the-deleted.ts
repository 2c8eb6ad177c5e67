import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Limits go with the account from now on, and those of accounts that were deleted before go here; the counters stay. */
export class DropLimitsOfTheDeleted1764000001731 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DELETE FROM limits l USING users u
      WHERE u.deleted_at IS NOT NULL AND l.subject = 'user' AND l.subject_id = u.id`);
    await queryRunner.query(`
      DELETE FROM limits l USING api_keys k JOIN users u ON u.id = k.user_id
      WHERE u.deleted_at IS NOT NULL AND l.subject = 'key' AND l.subject_id = k.id`);
  }

  async down(): Promise<void> {
    // What limited accounts that nobody can use is not missed.
  }
}
