import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Invitations: each makes one account. They stay, so that an administrator sees who came with which. */
export class CreateInvitations1764000000800 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE invitations (
        id         uuid PRIMARY KEY,
        token_hash bytea NOT NULL CONSTRAINT invitations_token_hash_unique UNIQUE,
        role       text NOT NULL CHECK (role IN ('user', 'admin')),
        note       text,
        limits     jsonb NOT NULL DEFAULT '[]',
        created_by uuid NOT NULL REFERENCES users (id),
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        used_at    timestamptz,
        used_by    uuid REFERENCES users (id),
        revoked_at timestamptz,
        CONSTRAINT invitations_used_by_somebody CHECK ((used_at IS NULL) = (used_by IS NULL)),
        CONSTRAINT invitations_used_or_revoked CHECK (used_at IS NULL OR revoked_at IS NULL)
      )`);
    await queryRunner.query(
      `COMMENT ON COLUMN invitations.limits IS 'what the account gets: [{metric, period, model, amount}]'`,
    );
    await queryRunner.query(`CREATE INDEX invitations_created_by ON invitations (created_by)`);
    await queryRunner.query(`CREATE INDEX invitations_used_by ON invitations (used_by)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE invitations`);
  }
}
