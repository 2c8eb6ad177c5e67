import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Password links know who issued them, so that they end with the role of that administrator. */
export class EndLinksWithTheirIssuer1764000001730 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE password_resets ADD COLUMN issued_by uuid REFERENCES users (id)`);
    // Who issued the links there are is in the audit log.
    await queryRunner.query(`
      UPDATE password_resets p SET issued_by = (
        SELECT u.id FROM audit_log a JOIN users u ON u.id = a.actor_id
        WHERE a.subject = 'user' AND a.subject_id = p.user_id
          AND a.action IN ('user.created', 'user.password_reset_issued')
        ORDER BY a.id DESC LIMIT 1)`);
    await queryRunner.query(`
      DELETE FROM password_resets p USING users u
      WHERE u.id = p.issued_by AND NOT (u.role = 'admin' AND u.status = 'active' AND u.deleted_at IS NULL)`);
    await queryRunner.query(`CREATE INDEX password_resets_issued_by ON password_resets (issued_by)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE password_resets DROP COLUMN issued_by`);
  }
}
