import type { MigrationInterface, QueryRunner } from 'typeorm';

const INSERT_COUNTER = `
  INSERT INTO limit_windows AS w (subject, subject_id, metric, period, model, reserves)
  VALUES (NEW.subject, NEW.subject_id, NEW.metric, NEW.period, NEW.model, true)
  ON CONFLICT (subject, subject_id, metric, period, model) DO UPDATE SET reserves = true WHERE NOT w.reserves;`;

const CREATE_LIMIT_COUNTER = (body: string) => `
CREATE OR REPLACE FUNCTION create_limit_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  ${body}
  RETURN NULL;
END $$`;

/**
 * ON CONFLICT locks the counter even where it then leaves it as it is. A statement that sets the limits of many users
 * locked theirs in the order of the users; admission and settlement lock counters in the order of their own ids.
 */
export class LimitsWaitForNoCounter1764000001750 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      CREATE_LIMIT_COUNTER(`
  -- As a rule the counter has been made ready before, by what sets the limit.
  PERFORM 1 FROM limit_windows w
    WHERE w.subject = NEW.subject AND w.subject_id = NEW.subject_id AND w.metric = NEW.metric
      AND w.period = NEW.period AND w.model = NEW.model AND w.reserves;
  IF FOUND THEN RETURN NULL; END IF;
  ${INSERT_COUNTER}`),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(CREATE_LIMIT_COUNTER(INSERT_COUNTER));
  }
}
