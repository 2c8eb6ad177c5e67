import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Limits go with the key from now on, and those of keys that were revoked before go here; the counters stay. */
export class DropLimitsOfRevokedKeys1764000001788 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DELETE FROM limits l USING api_keys k
      WHERE k.revoked_at IS NOT NULL AND l.subject = 'key' AND l.subject_id = k.id`);
  }

  async down(): Promise<void> {
    // What limited keys that nobody can use is not missed.
  }
}
