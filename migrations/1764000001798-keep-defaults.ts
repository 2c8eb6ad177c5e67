import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Defaults that an administrator has set: what new users get in the place of what the configuration says. None of those set
 * before are known: whoever set them gave them to the users there were.
 */
export class KeepDefaults1764000001798 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE default_limits (
        metric     text NOT NULL CHECK (metric IN ('tokens', 'requests', 'concurrent_requests')),
        period     text NOT NULL CHECK (period IN ('minute', 'hour', 'day', 'week', 'month', 'total')),
        amount     bigint CHECK (amount >= 0),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (metric, period)
      )`);
    await queryRunner.query(`COMMENT ON COLUMN default_limits.amount IS 'NULL: new users have none there'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE default_limits');
  }
}
