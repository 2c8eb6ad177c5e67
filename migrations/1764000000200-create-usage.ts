import type { MigrationInterface, QueryRunner } from 'typeorm';

const ENSURE_PARTITION = `
CREATE FUNCTION ensure_usage_partition(month timestamp) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  name CONSTANT text := 'usage_records_' || to_char(month, 'YYYY_MM');
  low CONSTANT uuid := uuid_v7_floor(month AT TIME ZONE 'UTC');
  high CONSTANT uuid := uuid_v7_floor((month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN RETURN false; END IF;
  -- Attached, not made as a partition: that would lock out all readers and writers of the ledger.
  EXECUTE format('CREATE TABLE %I (LIKE usage_records INCLUDING ALL)', name);
  LOCK TABLE usage_records_default IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('WITH moved AS (DELETE FROM usage_records_default WHERE request_id >= %L AND request_id < %L
    RETURNING *) INSERT INTO %I SELECT * FROM moved', low, high, name);
  EXECUTE format('ALTER TABLE usage_records ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, low, high);
  RETURN true;
END $$`;

const DROP_PARTITION = `
CREATE FUNCTION drop_usage_partition(month timestamp) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  next_month CONSTANT timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
  LOCK TABLE ONLY usage_records IN ACCESS EXCLUSIVE MODE;
  -- Its record belongs here.
  IF EXISTS (SELECT 1 FROM open_requests WHERE request_id < uuid_v7_floor(next_month)) THEN RETURN false; END IF;
  EXECUTE format('DROP TABLE %I', 'usage_records_' || to_char(month, 'YYYY_MM'));
  UPDATE usage_retention SET kept_from = greatest(kept_from, next_month);
  RETURN true;
END $$`;

/** The ledger (one row a generation, partitioned by the month inside its UUIDv7), what is open, and daily rollups. */
export class CreateUsage1764000000200 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE processes (
        id          uuid PRIMARY KEY,
        name        text NOT NULL,
        started_at  timestamptz NOT NULL DEFAULT now(),
        lease_until timestamptz NOT NULL
      )`);

    // No foreign keys from the hot tables: they would take a KEY SHARE lock on a hot user's row.
    await queryRunner.query(`
      CREATE TABLE open_requests (
        request_id        uuid PRIMARY KEY,
        process_id        uuid NOT NULL,
        admitted_at       timestamptz NOT NULL,
        user_id           uuid NOT NULL,
        key_id            uuid,
        endpoint          text NOT NULL,
        model             text NOT NULL,
        stream            boolean NOT NULL,
        prompt_bound      bigint NOT NULL,
        reserved          bigint NOT NULL,
        held              bigint[] NOT NULL,
        prompt_tokens     bigint,
        completion_tokens bigint,
        checkpoint_at     timestamptz
      ) WITH (fillfactor = 70)`);

    await queryRunner.query(`
      CREATE TABLE usage_records (
        request_id             uuid PRIMARY KEY,
        admitted_at            timestamptz NOT NULL,
        settled_at             timestamptz NOT NULL,
        user_id                uuid NOT NULL,
        key_id                 uuid,
        endpoint               text NOT NULL,
        model                  text NOT NULL,
        stream                 boolean NOT NULL,
        outcome                text NOT NULL
          CHECK (outcome IN ('completed', 'client_closed', 'upstream_error', 'rejected')),
        source                 text NOT NULL CHECK (source IN ('exact', 'estimated')),
        status                 integer NOT NULL,
        prompt_tokens          bigint NOT NULL,
        cached_tokens          bigint NOT NULL,
        completion_tokens      bigint NOT NULL,
        reasoning_tokens       bigint NOT NULL,
        time_to_first_token_ms integer,
        duration_ms            integer NOT NULL,
        -- Written for a process that did not settle it itself; its own settlement, should it still come, corrects it.
        provisional            boolean NOT NULL DEFAULT false
      ) PARTITION BY RANGE (request_id)`);
    await queryRunner.query(`CREATE INDEX usage_records_user ON usage_records (user_id, request_id)`);
    await queryRunner.query(`CREATE TABLE usage_records_default PARTITION OF usage_records DEFAULT`);

    await queryRunner.query(`
      CREATE FUNCTION uuid_v7_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
      $$`);
    await queryRunner.query(`
      CREATE FUNCTION uuid_v7_time(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT to_timestamp(('x' || lpad(substr(replace(id::text, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0)
      $$`);
    await queryRunner.query(ENSURE_PARTITION);
    await queryRunner.query(`
      SELECT ensure_usage_partition(date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))
      FROM generate_series(0, 2) AS i`);

    // Records from before kept_from may have been dropped; their daily rollups have not.
    await queryRunner.query(`
      CREATE TABLE usage_retention (
        only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        kept_from timestamptz NOT NULL DEFAULT '-infinity'
      )`);
    await queryRunner.query(`INSERT INTO usage_retention DEFAULT VALUES`);
    await queryRunner.query(DROP_PARTITION);

    // key_id is the nil UUID for requests made with a session: a primary key column cannot be null.
    await queryRunner.query(`
      CREATE TABLE usage_daily (
        user_id           uuid NOT NULL,
        day               date NOT NULL,
        key_id            uuid NOT NULL,
        model             text NOT NULL,
        requests          bigint NOT NULL,
        prompt_tokens     bigint NOT NULL,
        cached_tokens     bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        reasoning_tokens  bigint NOT NULL,
        PRIMARY KEY (user_id, day, key_id, model)
      ) WITH (fillfactor = 70)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE usage_daily`);
    await queryRunner.query(`DROP TABLE usage_records`);
    await queryRunner.query(`DROP TABLE usage_retention`);
    await queryRunner.query(`DROP FUNCTION drop_usage_partition(timestamp)`);
    await queryRunner.query(`DROP FUNCTION ensure_usage_partition(timestamp)`);
    await queryRunner.query(`DROP FUNCTION uuid_v7_time(uuid)`);
    await queryRunner.query(`DROP FUNCTION uuid_v7_floor(timestamptz)`);
    await queryRunner.query(`DROP TABLE open_requests`);
    await queryRunner.query(`DROP TABLE processes`);
  }
}
