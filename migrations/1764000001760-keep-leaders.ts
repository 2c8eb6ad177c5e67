import type { MigrationInterface, QueryRunner } from 'typeorm';

const CLOSE_DAYS = (deleteLists: string) => `
CREATE OR REPLACE FUNCTION close_usage_days(p_until date) RETURNS void LANGUAGE plpgsql AS $$
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
  DELETE FROM usage_days_changed WHERE day > p_until;${deleteLists}
  -- Nothing is summed yet.
  SELECT greatest(r.closed_until + 1, (SELECT min(day) FROM usage_daily)) INTO first FROM usage_retention r;
  IF isfinite(p_until) AND isfinite(first) THEN
    INSERT INTO usage_days_changed (day) SELECT first + i FROM generate_series(0, p_until - first) AS i;
  END IF;
  UPDATE usage_retention SET closed_until = p_until;
END $$`;

// Of days that are closed now and were before: a list that reaches beyond those was made while they were others.
const DELETE_LISTS = `
  DELETE FROM usage_leader_lists l USING usage_retention r WHERE l.until > least(p_until, r.closed_until) + 1;`;

const DAYS_SUMMED = `
CREATE FUNCTION usage_days_summed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM usage_leader_lists l
  WHERE EXISTS (SELECT 1 FROM gone WHERE gone.day >= l.first_day AND gone.day < l.until);
  RETURN NULL;
END $$`;

/** Who used most in each calendar month and year, in order, as far as days are closed. */
export class KeepLeaders1764000001760 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE usage_leader_lists (
        kind      text NOT NULL CHECK (kind IN ('user', 'key')),
        -- The month or year is [first_day, end_day), and of that [first_day, until) was added up.
        first_day date NOT NULL,
        end_day   date NOT NULL,
        until     date NOT NULL CHECK (until > first_day AND until <= end_day),
        -- The tokens of the first one who is not on the list; null: nobody is left out.
        left_out  bigint,
        PRIMARY KEY (kind, first_day, end_day)
      )`);
    // The key is the order of a report; what was used with sessions has the nil UUID, as have users.
    await queryRunner.query(`
      CREATE TABLE usage_leaders (
        kind      text NOT NULL,
        first_day date NOT NULL,
        end_day   date NOT NULL,
        tokens    bigint NOT NULL,
        user_id   uuid NOT NULL,
        key_id    uuid NOT NULL,
        PRIMARY KEY (kind, first_day, end_day, tokens, user_id, key_id),
        FOREIGN KEY (kind, first_day, end_day) REFERENCES usage_leader_lists ON DELETE CASCADE
      )`);
    // Whoever takes a mark away takes the lists with it that have the day as it was before; gateways of the version before,
    // which know of no lists, as well.
    await queryRunner.query(DAYS_SUMMED);
    await queryRunner.query(`
      CREATE TRIGGER usage_days_summed AFTER DELETE ON usage_days_changed REFERENCING OLD TABLE AS gone
      FOR EACH STATEMENT EXECUTE FUNCTION usage_days_summed()`);
    await queryRunner.query(CLOSE_DAYS(DELETE_LISTS));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(CLOSE_DAYS(''));
    await queryRunner.query(`DROP TRIGGER usage_days_summed ON usage_days_changed`);
    await queryRunner.query(`DROP FUNCTION usage_days_summed()`);
    await queryRunner.query(`DROP TABLE usage_leaders`);
    await queryRunner.query(`DROP TABLE usage_leader_lists`);
  }
}
