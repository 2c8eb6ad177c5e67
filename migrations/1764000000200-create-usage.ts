import type { MigrationInterface, QueryRunner } from 'typeorm';

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
      CREATE FUNCTION ensure_usage_partitions(first_day date, months integer) RETURNS integer
      LANGUAGE plpgsql AS $$
      DECLARE
        month_start timestamptz;
        partition_name text;
        created integer := 0;
      BEGIN
        FOR i IN 0 .. months - 1 LOOP
          month_start := (date_trunc('month', first_day::timestamp) + make_interval(months => i)) AT TIME ZONE 'UTC';
          partition_name := 'usage_records_' || to_char(month_start AT TIME ZONE 'UTC', 'YYYY_MM');
          CONTINUE WHEN to_regclass(partition_name) IS NOT NULL;
          EXECUTE format('CREATE TABLE %I PARTITION OF usage_records FOR VALUES FROM (%L) TO (%L)',
            partition_name, uuid_v7_floor(month_start),
            uuid_v7_floor((month_start AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
          created := created + 1;
        END LOOP;
        RETURN created;
      END $$`);
    await queryRunner.query(`SELECT ensure_usage_partitions((now() AT TIME ZONE 'UTC')::date, 3)`);

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
    await queryRunner.query(`DROP FUNCTION ensure_usage_partitions(date, integer)`);
    await queryRunner.query(`DROP FUNCTION uuid_v7_floor(timestamptz)`);
    await queryRunner.query(`DROP TABLE open_requests`);
    await queryRunner.query(`DROP TABLE processes`);
  }
}
