import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was done to invitations, say, where nearly all entries are of accounts: by no other index it is found soon. */
export class ListAuditLogBySubject1764000001789 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('CREATE INDEX audit_log_kind ON audit_log (subject, at, id)');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX audit_log_kind');
  }
}
