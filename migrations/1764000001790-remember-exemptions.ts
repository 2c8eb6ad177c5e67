import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An administrator's "no limit there, not even the default": a default set later leaves these users alone. Decisions made
 * before are in the audit log and the invitations; they count where the user has had no other limit there since.
 */
export class RememberExemptions1764000001790 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE default_exemptions (
        user_id uuid NOT NULL,
        metric  text NOT NULL CHECK (metric IN ('tokens', 'requests', 'concurrent_requests')),
        period  text NOT NULL CHECK (period IN ('minute', 'hour', 'day', 'week', 'month', 'total')),
        PRIMARY KEY (user_id, metric, period)
      )`);
    // Who lost a limit by DELETE is left out: which of the two was said last would be a guess.
    await queryRunner.query(`
      WITH caps AS (
        SELECT DISTINCT ON (subject_id, after ->> 'window') subject_id, after ->> 'window' AS period, after ->> 'cap' AS cap
        FROM audit_log WHERE action = 'token_limit.set_cap' ORDER BY subject_id, after ->> 'window', id DESC
      ), decided (user_id, metric, period) AS (
        SELECT subject_id, 'tokens', period FROM caps WHERE cap IS NULL
        UNION
        SELECT subject_id, 'tokens', 'month' FROM audit_log
        WHERE action = 'user.created' AND after @> '{"token_limit": null}'
        UNION
        SELECT i.used_by, l.metric, l.period
        FROM invitations i CROSS JOIN jsonb_to_recordset(i.limits) AS l (metric text, period text, model text, amount bigint)
        WHERE i.used_by IS NOT NULL AND l.model = '' AND l.amount IS NULL
      )
      INSERT INTO default_exemptions (user_id, metric, period)
      SELECT d.user_id, d.metric, d.period FROM decided d JOIN users u ON u.id = d.user_id AND u.deleted_at IS NULL
      WHERE NOT EXISTS (
          SELECT 1 FROM limits l WHERE l.subject = 'user' AND l.subject_id = d.user_id AND l.metric = d.metric
            AND l.period = d.period AND l.model = '' AND l.set_by <> 'self')
        AND NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.subject_id = d.user_id AND a.action = 'limit.delete')`);
    // Last, as nobody can log in meanwhile.
    await queryRunner.query(`
      ALTER TABLE default_exemptions ADD FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE`);
    // For whoever looks for raises that are over.
    await queryRunner.query(`
      CREATE INDEX limits_raised_default ON limits (temporary_until)
      WHERE set_by = 'default' AND temporary_until IS NOT NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX limits_raised_default`);
    await queryRunner.query(`DROP TABLE default_exemptions`);
  }
}
