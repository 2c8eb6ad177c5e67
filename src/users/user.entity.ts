import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Role } from '../common/principal';

@Entity('users')
export class User {
  @PrimaryColumn('uuid') id: string;
  @Column('text') username: string;
  /** Normalised username: what must be unique. */
  @Column('text', { name: 'username_key' }) usernameKey: string;
  @Column('text', { nullable: true }) email: string | null;
  @Column('text', { nullable: true }) name: string | null;
  @Column('text') role: Role;
  @Column('text') status: 'active' | 'disabled';
  /** Null: no password is set, and none is right. */
  @Column('text', { name: 'password_hash', nullable: true }) passwordHash: string | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt: Date;
  @Column('timestamptz', { name: 'updated_at' }) updatedAt: Date;
  @Column('timestamptz', { name: 'last_login_at', nullable: true }) lastLoginAt: Date | null;
  @Column('timestamptz', { name: 'deleted_at', nullable: true }) deletedAt: Date | null;
}
