import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What reports over all users and the ending of running requests need. */
export class AdministratorsSeeAndEnd1764000001000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // Without an index: every one on this table is paid for by every request.
    await queryRunner.query(`ALTER TABLE open_requests ADD COLUMN end_requested_at timestamptz`);
    await queryRunner.query(
      `COMMENT ON COLUMN open_requests.end_requested_at IS 'an administrator wants it ended; its process looks'`,
    );
    // The day alone: an update of the sums stays within its page.
    await queryRunner.query(`CREATE INDEX usage_daily_day ON usage_daily (day)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX usage_daily_day`);
    await queryRunner.query(`ALTER TABLE open_requests DROP COLUMN end_requested_at`);
  }
}
