import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('api_keys')
export class ApiKey {
  @PrimaryColumn('uuid') id: string;
  @Column('uuid', { name: 'user_id' }) userId: string;
  @Column('text') name: string;
  /** HMAC-SHA-256(API_KEY_PEPPER, key): the only trace of the key itself. */
  @Column('bytea', { name: 'key_hash' }) keyHash: Buffer;
  @Column('text') prefix: string;
  @Column('text', { name: 'last_four' }) lastFour: string;
  /** The secret before the last rotation; the three are null or set together. */
  @Column('bytea', { name: 'previous_key_hash', nullable: true }) previousKeyHash: Buffer | null;
  @Column('text', { name: 'previous_last_four', nullable: true }) previousLastFour: string | null;
  @Column('timestamptz', { name: 'previous_valid_until', nullable: true }) previousValidUntil: Date | null;
  @Column('text', { array: true, nullable: true }) models: string[] | null;
  @Column('timestamptz', { name: 'expires_at', nullable: true }) expiresAt: Date | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt: Date;
  @Column('timestamptz', { name: 'last_used_at', nullable: true }) lastUsedAt: Date | null;
  @Column('timestamptz', { name: 'revoked_at', nullable: true }) revokedAt: Date | null;
}
