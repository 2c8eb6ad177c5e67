import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who calls: accounts, their sessions (refresh-token families) and API keys. */
export class CreatePeople1764000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE users (
        id            uuid PRIMARY KEY,
        username      text NOT NULL,
        username_key  text NOT NULL CONSTRAINT users_username_key_unique UNIQUE,
        email         text,
        name          text,
        role          text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
        status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
        password_hash text,
        created_at    timestamptz NOT NULL DEFAULT now(),
        updated_at    timestamptz NOT NULL DEFAULT now(),
        last_login_at timestamptz,
        deleted_at    timestamptz
      )`);
    await queryRunner.query(`
      COMMENT ON COLUMN users.username_key IS 'username after NFKC and lower-casing: what must be unique'`);
    await queryRunner.query(
      `COMMENT ON COLUMN users.password_hash IS 'null: no password is set, and none is right'`,
    );
    await queryRunner.query(
      `CREATE INDEX users_created_at ON users (created_at, id) WHERE deleted_at IS NULL`,
    );

    await queryRunner.query(`
      CREATE TABLE sessions (
        id             uuid PRIMARY KEY,
        user_id        uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        generation     integer NOT NULL DEFAULT 0,
        token_hash     bytea NOT NULL,
        rotated_at     timestamptz,
        created_at     timestamptz NOT NULL DEFAULT now(),
        last_used_at   timestamptz NOT NULL DEFAULT now(),
        expires_at     timestamptz NOT NULL,
        revoked_at     timestamptz,
        revoked_reason text,
        user_agent     text,
        address        text
      )`);
    await queryRunner.query(`CREATE INDEX sessions_user_id ON sessions (user_id)`);

    await queryRunner.query(`
      CREATE TABLE api_keys (
        id           uuid PRIMARY KEY,
        user_id      uuid NOT NULL REFERENCES users (id),
        name         text NOT NULL,
        key_hash     bytea NOT NULL CONSTRAINT api_keys_key_hash_unique UNIQUE,
        prefix       text NOT NULL,
        last_four    text NOT NULL,
        models       text[],
        expires_at   timestamptz,
        created_at   timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz,
        revoked_at   timestamptz
      )`);
    await queryRunner.query(`CREATE INDEX api_keys_user_id ON api_keys (user_id)`);

    await queryRunner.query(`
      CREATE TABLE login_throttles (
        bucket        bytea PRIMARY KEY,
        failures      integer NOT NULL DEFAULT 0,
        window_start  timestamptz NOT NULL DEFAULT now(),
        blocked_until timestamptz
      )`);

    await queryRunner.query(`
      CREATE TABLE audit_log (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at         timestamptz NOT NULL DEFAULT now(),
        actor_id   uuid,
        action     text NOT NULL,
        subject    text NOT NULL,
        subject_id uuid,
        before     jsonb,
        after      jsonb,
        address    text,
        request_id uuid
      )`);
    await queryRunner.query(`CREATE INDEX audit_log_at ON audit_log (at, id)`);
    await queryRunner.query(`CREATE INDEX audit_log_actor ON audit_log (actor_id, at, id)`);
    await queryRunner.query(`CREATE INDEX audit_log_subject ON audit_log (subject_id, at, id)`);
    await queryRunner.query(`CREATE INDEX audit_log_action ON audit_log (action, at, id)`);
    await queryRunner.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE audit_log`);
    await queryRunner.query(`DROP FUNCTION refuse_change()`);
    await queryRunner.query(`DROP TABLE login_throttles`);
    await queryRunner.query(`DROP TABLE api_keys`);
    await queryRunner.query(`DROP TABLE sessions`);
    await queryRunner.query(`DROP TABLE users`);
  }
}
