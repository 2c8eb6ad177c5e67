import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What changes tables as such: only their owner may. */
const MAINTENANCE = [
  'ensure_usage_partition(timestamp)',
  'drop_usage_partition(timestamp)',
  'close_usage_days(date)',
] as const;

/**
 * The months of the ledger and the triggers of closed days belong to the role that ran the migrations, and a gateway of
 * another role could not look after them: these functions run as their owner. Whoever may only read must not call them.
 *
 * CREATE OR REPLACE takes both settings away again: a migration that replaces one of these functions says them anew.
 */
export class MaintainAsOwner1764000001786 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const [{ schema }] = (await queryRunner.query(`SELECT quote_ident(current_schema()) AS schema`)) as [
      { schema: string },
    ];
    for (const name of MAINTENANCE) {
      // Tables of the caller's session come last: none of them stands for one of the ledger.
      await queryRunner.query(`ALTER FUNCTION ${name} SECURITY DEFINER SET search_path = ${schema}, pg_temp`);
      await queryRunner.query(`REVOKE EXECUTE ON FUNCTION ${name} FROM PUBLIC`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const name of MAINTENANCE) {
      await queryRunner.query(`GRANT EXECUTE ON FUNCTION ${name} TO PUBLIC`);
      await queryRunner.query(`ALTER FUNCTION ${name} SECURITY INVOKER RESET search_path`);
    }
  }
}
