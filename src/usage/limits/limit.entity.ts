import { Column, Entity, PrimaryColumn } from 'typeorm';

export type LimitPeriod = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';

/** What someone set: a default at registration, an admin's cap, or a user's own limit. */
@Entity('limits')
export class Limit {
  @PrimaryColumn('uuid') id: string;
  @Column('text') subject: 'everyone' | 'user' | 'key';
  @Column('uuid', { name: 'subject_id' }) subjectId: string;
  @Column('text') metric: 'tokens' | 'requests' | 'concurrent_requests';
  @Column('text') period: LimitPeriod;
  /** Public model name, or '' for any. */
  @Column('text') model: string;
  @Column('bigint', { transformer: { from: Number, to: (value: number) => value } }) amount: number;
  @Column('text', { name: 'set_by' }) setBy: 'default' | 'admin' | 'self';
  @Column('timestamptz', { name: 'created_at' }) createdAt: Date;
  @Column('timestamptz', { name: 'updated_at' }) updatedAt: Date;
}
