import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Wrong passwords know their account, by a hash of its name, so that a new password ends the count of all addresses. */
export class ForgetWrongPasswords1764000001797 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE login_throttles ADD COLUMN account bytea');
    await queryRunner.query(
      'CREATE INDEX login_throttles_account ON login_throttles (account) WHERE account IS NOT NULL',
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE login_throttles DROP COLUMN account');
  }
}
