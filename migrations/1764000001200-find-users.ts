import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What keeps a page of the list of users as quick among a million as among a thousand. */
export class FindUsers1764000001200 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // A login then writes one more index entry, beside hashing a password for a hundred times as long.
    await queryRunner.query(`
      CREATE INDEX users_last_login_at ON users (coalesce(last_login_at, 'epoch'), id) WHERE deleted_at IS NULL`);
    await queryRunner.query(`
      CREATE INDEX users_admins ON users (created_at, id) WHERE deleted_at IS NULL AND role = 'admin'`);
    await queryRunner.query(`
      CREATE INDEX users_disabled ON users (created_at, id) WHERE deleted_at IS NULL AND status = 'disabled'`);
    // Part of PostgreSQL's contrib and trusted, yet not everywhere installed or allowed: without it a search for what
    // is rare reads all names.
    await queryRunner.query(`
      DO $$
      BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX users_username_key_part ON users USING gin (username_key gin_trgm_ops) WHERE deleted_at IS NULL;
      EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'parts of usernames are searched without an index: %', SQLERRM;
      END $$`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX IF EXISTS users_username_key_part`);
    await queryRunner.query(`
      DO $$
      BEGIN
        DROP EXTENSION IF EXISTS pg_trgm;
      EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'the extension pg_trgm stays: %', SQLERRM;
      END $$`);
    await queryRunner.query(`DROP INDEX users_disabled`);
    await queryRunner.query(`DROP INDEX users_admins`);
    await queryRunner.query(`DROP INDEX users_last_login_at`);
  }
}
