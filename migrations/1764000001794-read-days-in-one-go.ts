import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What was used on a day, by model; of one key or model, unless those are null. `usage_daily` holds its users side by side,
 * but in no order: PostgreSQL, which takes the index's order for the table's since both begin with the day, fetched row by
 * row what it has in a few hundred pages.
 */
const OF_DAY = `
  CREATE FUNCTION usage_of_day(p_day date, p_key uuid, p_model text) RETURNS TABLE (
    model text, prompt_tokens bigint, completion_tokens bigint, cached_tokens bigint, reasoning_tokens bigint, requests bigint
  ) LANGUAGE sql STABLE ROWS 10 SET enable_indexscan = off AS $$
    SELECT model, total_of(prompt_tokens), total_of(completion_tokens), total_of(cached_tokens), total_of(reasoning_tokens),
      total_of(requests)
    FROM usage_daily
    WHERE day = p_day AND (p_key IS NULL OR key_id = p_key) AND (p_model IS NULL OR model = p_model)
    GROUP BY model
  $$`;

/** The tokens of each user, or of each user's keys, from one day to before another. */
const tokensBy = (name: string, ids: string, types: string): string => `
  CREATE FUNCTION ${name}(p_from date, p_until date) RETURNS TABLE (${types}, tokens bigint)
  LANGUAGE sql STABLE ROWS 10000 SET enable_indexscan = off AS $$
    SELECT ${ids}, total_of(prompt_tokens + completion_tokens)
    FROM usage_daily WHERE day >= p_from AND day < p_until GROUP BY ${ids}
  $$`;

/** Reads of whole days, of everybody, by pages of the table instead of by rows. */
export class ReadDaysInOneGo1764000001794 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(OF_DAY);
    await queryRunner.query(tokensBy('tokens_by_user', 'user_id', 'user_id uuid'));
    await queryRunner.query(tokensBy('tokens_by_key', 'user_id, key_id', 'user_id uuid, key_id uuid'));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION tokens_by_key(date, date)`);
    await queryRunner.query(`DROP FUNCTION tokens_by_user(date, date)`);
    await queryRunner.query(`DROP FUNCTION usage_of_day(date, uuid, text)`);
  }
}
