import type { MigrationInterface, QueryRunner } from 'typeorm';

const DAY_CHANGED = `
CREATE FUNCTION usage_day_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' THEN INSERT INTO usage_days_changed (day) VALUES (NEW.day); END IF;
  IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR OLD.day <> NEW.day) THEN
    INSERT INTO usage_days_changed (day) VALUES (OLD.day);
  END IF;
  RETURN NULL;
END $$`;

const CLOSE_DAYS = `
CREATE FUNCTION close_usage_days(p_until date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first date;
BEGIN
  -- Waits for all who have written daily sums: from here on whoever writes those of a closed day leaves a mark, and
  -- what was written without one is committed.
  LOCK TABLE usage_daily IN SHARE ROW EXCLUSIVE MODE;
  EXECUTE format('CREATE OR REPLACE TRIGGER usage_daily_written AFTER INSERT OR UPDATE ON usage_daily FOR EACH ROW
    WHEN (NEW.day <= %L::date) EXECUTE FUNCTION usage_day_changed()', p_until);
  EXECUTE format('CREATE OR REPLACE TRIGGER usage_daily_taken AFTER DELETE OR UPDATE OF day ON usage_daily FOR EACH ROW
    WHEN (OLD.day <= %L::date) EXECUTE FUNCTION usage_day_changed()', p_until);
  -- After a clock that was ahead, or before everything is counted anew.
  DELETE FROM usage_totals WHERE day > p_until;
  DELETE FROM usage_days_changed WHERE day > p_until;
  -- Nothing is summed yet.
  SELECT greatest(r.closed_until + 1, (SELECT min(day) FROM usage_daily)) INTO first FROM usage_retention r;
  IF isfinite(p_until) AND isfinite(first) THEN
    INSERT INTO usage_days_changed (day) SELECT first + i FROM generate_series(0, p_until - first) AS i;
  END IF;
  UPDATE usage_retention SET closed_until = p_until;
END $$`;

/** The sums of days that are over, of all users together; and the users of a day in their order. */
export class SumClosedDays1764000001600 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE usage_retention ADD COLUMN closed_until date NOT NULL DEFAULT '-infinity'`);
    await queryRunner.query(`
      COMMENT ON COLUMN usage_retention.closed_until IS 'the last day that usage_totals knows, unless it has changed'`);
    await queryRunner.query(`
      CREATE TABLE usage_totals (
        day               date NOT NULL,
        model             text NOT NULL,
        -- Not with a session.
        with_key          boolean NOT NULL,
        requests          bigint NOT NULL,
        prompt_tokens     bigint NOT NULL,
        cached_tokens     bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        reasoning_tokens  bigint NOT NULL,
        PRIMARY KEY (day, model, with_key)
      )`);
    // A mark for each change, and none for two: whoever sums a day takes away those of the changes that were summed.
    await queryRunner.query(`
      CREATE TABLE usage_days_changed (
        id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        day date NOT NULL
      )`);
    await queryRunner.query(DAY_CHANGED);
    await queryRunner.query(CLOSE_DAYS);
    await queryRunner.query(`SELECT close_usage_days('-infinity')`);
    // An update of the sums still stays within its page: neither the day nor the user ever changes.
    await queryRunner.query(`CREATE INDEX usage_daily_day_user ON usage_daily (day, user_id)`);
    await queryRunner.query(`DROP INDEX usage_daily_day`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX usage_daily_day ON usage_daily (day)`);
    await queryRunner.query(`DROP INDEX usage_daily_day_user`);
    await queryRunner.query(`DROP TRIGGER usage_daily_taken ON usage_daily`);
    await queryRunner.query(`DROP TRIGGER usage_daily_written ON usage_daily`);
    await queryRunner.query(`DROP FUNCTION close_usage_days(date)`);
    await queryRunner.query(`DROP FUNCTION usage_day_changed()`);
    await queryRunner.query(`DROP TABLE usage_days_changed`);
    await queryRunner.query(`DROP TABLE usage_totals`);
    await queryRunner.query(`ALTER TABLE usage_retention DROP COLUMN closed_until`);
  }
}
