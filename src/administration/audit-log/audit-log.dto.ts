import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { AUDIT_ACTIONS, AUDIT_SUBJECTS, type AuditAction, type AuditSubject } from '../../auth/audit-actions';
import { IsMoment } from '../../usage/moment';
import { PageQuery } from '../../common/page-query';
import { PersonReference } from '../person-reference';

const SORTS = ['at', '-at'] as const;
export type AuditLogSort = (typeof SORTS)[number];

export class AuditLogQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Who did it' })
  @IsOptional()
  @IsUUID()
  actor_id?: string;

  @ApiPropertyOptional({ enum: AUDIT_ACTIONS, description: 'What was done' })
  @IsOptional()
  @IsIn(AUDIT_ACTIONS)
  action?: AuditAction;

  @ApiPropertyOptional({ enum: AUDIT_SUBJECTS, description: 'To what kind of thing' })
  @IsOptional()
  @IsIn(AUDIT_SUBJECTS)
  subject?: AuditSubject;

  @ApiPropertyOptional({ format: 'uuid', description: 'To which of them' })
  @IsOptional()
  @IsUUID()
  subject_id?: string;

  @ApiPropertyOptional({
    description: 'RFC 3339 date such as 2026-11-01, or date-time; default: 366 days before `to`',
  })
  @IsOptional()
  @IsMoment()
  from?: string;

  @ApiPropertyOptional({
    description: 'RFC 3339 date (that day included) or date-time (excluded); default: now',
  })
  @IsOptional()
  @IsMoment()
  to?: string;

  @ApiPropertyOptional({ enum: SORTS, default: '-at', description: 'A minus: newest first' })
  @IsOptional()
  @IsIn(SORTS)
  sort?: AuditLogSort;
}

export class AuditLogEntry {
  @ApiProperty({ example: '1042' }) id: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) at: string;
  @ApiProperty({ type: PersonReference, nullable: true, description: 'null: the command line of the server' })
  actor: PersonReference | null;
  @ApiProperty({ example: 'user.changed' }) action: string;
  @ApiProperty({ example: 'user' }) subject: string;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2c',
  })
  subject_id: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'grace',
    description: 'When the subject is a user who is not deleted',
  })
  subject_username: string | null;
  @ApiProperty({ type: Object, nullable: true, example: { role: 'user', status: 'active' } })
  before: Record<string, unknown> | null;
  @ApiProperty({ type: Object, nullable: true, example: { role: 'admin', status: 'active' } })
  after: Record<string, unknown> | null;
  @ApiProperty({ type: String, nullable: true, example: '192.0.2.7' }) address: string | null;
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'x-request-id of the request' })
  request_id: string | null;
}

export class AuditLogPage {
  @ApiProperty({ type: [AuditLogEntry] }) data: AuditLogEntry[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
