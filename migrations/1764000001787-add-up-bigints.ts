import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The sum of bigints as a bigint. That of PostgreSQL is numeric: for the tokens of many users or keys, one after the other,
 * more than half of the time went into making those numbers.
 */
export class AddUpBigints1764000001787 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE AGGREGATE total_of(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0')`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP AGGREGATE total_of(bigint)`);
  }
}
