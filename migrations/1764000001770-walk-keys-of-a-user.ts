import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The keys of a user in the order of their ids: revoked ones stay, so a page of them must not sort all there were. */
export class WalkKeysOfAUser1764000001770 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX api_keys_of_user ON api_keys (user_id, id)`);
    await queryRunner.query(`DROP INDEX api_keys_user_id`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX api_keys_user_id ON api_keys (user_id)`);
    await queryRunner.query(`DROP INDEX api_keys_of_user`);
  }
}
