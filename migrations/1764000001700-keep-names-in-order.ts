import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a report over all users walks when it is sorted by name, and the list of limits in the order they were made in. */
export class KeepNamesInOrder1764000001700 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // Byte by byte, as cursors are compared; deleted accounts have no name, and come as such.
    await queryRunner.query(`
      CREATE INDEX users_name ON users
        ((CASE WHEN deleted_at IS NULL THEN left(username_key, 100) ELSE '' END COLLATE "C"), id)`);
    await queryRunner.query(
      `CREATE INDEX api_keys_name ON api_keys ((left(name, 100) COLLATE "C"), user_id, id)`,
    );
    // Sessions have no name and no row of their own to walk. What is used with keys has no entry here.
    await queryRunner.query(`
      CREATE INDEX usage_daily_sessions ON usage_daily (day, user_id)
      WHERE key_id = '00000000-0000-0000-0000-000000000000'`);
    await queryRunner.query(`CREATE INDEX limits_created_at ON limits (created_at, id)`);
    // What not every user has from the start, and would be looked for among all those.
    await queryRunner.query(`
      CREATE INDEX limits_rare ON limits (created_at, id) WHERE set_by <> 'default' OR subject <> 'user'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX limits_rare`);
    await queryRunner.query(`DROP INDEX limits_created_at`);
    await queryRunner.query(`DROP INDEX usage_daily_sessions`);
    await queryRunner.query(`DROP INDEX api_keys_name`);
    await queryRunner.query(`DROP INDEX users_name`);
  }
}
