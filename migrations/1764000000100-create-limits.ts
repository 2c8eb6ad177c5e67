import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Limits (what someone set) and limit_windows (what has been counted). The counters do not belong to a limit but
 * to (subject, metric, model, period), so that editing a limit never forgets usage. One rolling row a counter.
 */
export class CreateLimits1764000000100 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE limits (
        id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        subject          text NOT NULL CHECK (subject IN ('everyone', 'user', 'key')),
        subject_id       uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        metric           text NOT NULL CHECK (metric IN ('tokens', 'requests', 'concurrent_requests')),
        period           text NOT NULL CHECK (period IN ('minute', 'hour', 'day', 'week', 'month', 'total')),
        model            text NOT NULL DEFAULT '',
        amount           bigint NOT NULL CHECK (amount >= 0),
        temporary_amount bigint CHECK (temporary_amount >= 0),
        temporary_until  timestamptz,
        set_by           text NOT NULL CHECK (set_by IN ('default', 'admin', 'self')),
        created_at       timestamptz NOT NULL DEFAULT now(),
        updated_at       timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT limits_one_each UNIQUE (subject, subject_id, metric, period, model, set_by)
      )`);

    // Fillfactor leaves room for HOT updates; no index may ever cover used or reserved.
    await queryRunner.query(`
      CREATE TABLE limit_windows (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        subject      text NOT NULL,
        subject_id   uuid NOT NULL,
        metric       text NOT NULL,
        period       text NOT NULL,
        model        text NOT NULL DEFAULT '',
        window_start timestamptz NOT NULL DEFAULT '-infinity',
        used         bigint NOT NULL DEFAULT 0,
        reserved     bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
        previous     bigint NOT NULL DEFAULT 0,
        -- Set while what was counted before this counter existed is still to be added from the ledger.
        backfill_before timestamptz,
        CONSTRAINT limit_windows_one_each UNIQUE (subject, subject_id, metric, period, model)
      ) WITH (fillfactor = 50)`);

    // Counters exist before anybody can hold a lock on their neighbours: creating them lazily deadlocks.
    await queryRunner.query(`
      CREATE FUNCTION create_token_counters() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO limit_windows (subject, subject_id, metric, period)
        SELECT TG_ARGV[0], NEW.id, 'tokens', period FROM unnest(ARRAY['day', 'month', 'total']) AS period
        ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER users_token_counters AFTER INSERT ON users
      FOR EACH ROW EXECUTE FUNCTION create_token_counters('user')`);
    await queryRunner.query(`
      CREATE TRIGGER api_keys_token_counters AFTER INSERT ON api_keys
      FOR EACH ROW EXECUTE FUNCTION create_token_counters('key')`);
    await queryRunner.query(`
      CREATE FUNCTION create_limit_counter() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO limit_windows (subject, subject_id, metric, period, model)
        VALUES (NEW.subject, NEW.subject_id, NEW.metric, NEW.period, NEW.model)
        ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER limits_counter AFTER INSERT ON limits
      FOR EACH ROW EXECUTE FUNCTION create_limit_counter()`);

    // Everything that counts holds it shared; who adds a counter beside existing usage holds it alone for a moment, so
    // that each request counts either in the new counter or in the backfill, never in both or neither.
    await queryRunner.query(`
      CREATE FUNCTION counting_lock() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 8002001::bigint $$`);
    await queryRunner.query(`
      CREATE FUNCTION limit_window_start(period text, at timestamptz, zone text) RETURNS timestamptz
      LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN period = 'total' THEN '-infinity'::timestamptz ELSE date_trunc(period, at, zone) END
      $$`);
    await queryRunner.query(`
      CREATE FUNCTION limit_window_end(period text, at timestamptz, zone text) RETURNS timestamptz
      LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN period = 'total' THEN NULL
          -- Hours are as long as ever when the clocks change; days are not.
          WHEN period IN ('minute', 'hour') THEN date_trunc(period, at, zone) + ('1 ' || period)::interval
          ELSE (date_trunc(period, at AT TIME ZONE zone) + ('1 ' || period)::interval) AT TIME ZONE zone END
      $$`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION limit_window_end(text, timestamptz, text)`);
    await queryRunner.query(`DROP FUNCTION limit_window_start(text, timestamptz, text)`);
    await queryRunner.query(`DROP FUNCTION counting_lock()`);
    await queryRunner.query(`DROP TRIGGER api_keys_token_counters ON api_keys`);
    await queryRunner.query(`DROP TRIGGER users_token_counters ON users`);
    await queryRunner.query(`DROP TABLE limits`);
    await queryRunner.query(`DROP TABLE limit_windows`);
    await queryRunner.query(`DROP FUNCTION create_limit_counter()`);
    await queryRunner.query(`DROP FUNCTION create_token_counters()`);
  }
}
