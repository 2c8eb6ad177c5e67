import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { OUTCOMES, UsageRecord } from '../../usage/dto/usage-records.dto';
import { IsMoment } from '../../usage/moment';
import type { Outcome } from '../../usage/token-usage';
import { UsageFilter } from './usage-filter';

export class AllUsageRecordsQuery extends UsageFilter {
  @ApiPropertyOptional({
    format: 'uuid',
    description: 'x-request-id of the answer: that one record, however old, or none',
  })
  @IsOptional()
  @IsUUID()
  request_id?: string;

  @ApiPropertyOptional({ enum: OUTCOMES })
  @IsOptional()
  @IsIn(OUTCOMES)
  outcome?: Outcome;

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
}

export class UsageRecordOfUser extends UsageRecord {
  @ApiProperty({ format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' }) user_id: string;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'ada',
    description: 'null once the account is deleted',
  })
  username: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'laptop' }) key_name: string | null;
}

export class AllUsageRecordsPage {
  @ApiProperty({
    type: [UsageRecordOfUser],
    description:
      'Newest first. With key_id, model or outcome a page may hold fewer than `limit`, even none, before the last one',
  })
  data: UsageRecordOfUser[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
