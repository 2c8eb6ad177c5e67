import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A sigma is one letter, at the end of a word or not: ΟΔΥΣΣΕΥΣ and οδυσσευσ are one name. Where another account has that
 * name already, the row stays as it is: no login finds it by its name any more, but its sessions and keys go on, and an
 * administrator sees both.
 */
export class FoldFinalSigma1764000001771 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      UPDATE users u SET username_key = folded.key
      FROM (
        SELECT DISTINCT ON (key) id, key
        FROM (SELECT id, created_at, replace(username_key, 'ς', 'σ') AS key FROM users WHERE username_key LIKE '%ς%') f
        ORDER BY key, created_at, id
      ) folded
      WHERE u.id = folded.id AND NOT EXISTS (SELECT 1 FROM users taken WHERE taken.username_key = folded.key)`);
  }

  async down(): Promise<void> {
    // Which sigma stood at an end is told by the username itself; the key of it is only compared.
  }
}
