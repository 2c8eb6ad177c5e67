import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The secret a key had before its last rotation, which works until the overlap ends. */
export class CreatePreviousSecrets1764000000900 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE api_keys
        ADD COLUMN previous_key_hash    bytea,
        ADD COLUMN previous_last_four   text,
        ADD COLUMN previous_valid_until timestamptz,
        ADD CONSTRAINT api_keys_previous_secret CHECK (
          num_nulls(previous_key_hash, previous_last_four, previous_valid_until) IN (0, 3))`);
    // Partial: most keys are never rotated.
    await queryRunner.query(`
      CREATE UNIQUE INDEX api_keys_previous_key_hash_unique ON api_keys (previous_key_hash)
      WHERE previous_key_hash IS NOT NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE api_keys
        DROP COLUMN previous_key_hash,
        DROP COLUMN previous_last_four,
        DROP COLUMN previous_valid_until`);
  }
}
