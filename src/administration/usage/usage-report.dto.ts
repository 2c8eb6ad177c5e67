import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { UsageTotals } from '../../usage/dto/usage-summary.dto';
import { IsMoment } from '../../usage/moment';
import { UsageFilter } from './usage-filter';

export const GROUPS = ['user', 'key', 'model', 'day'] as const;
export type Group = (typeof GROUPS)[number];

export const REPORT_SORTS = ['id', '-id', 'tokens', '-tokens', 'name', '-name'] as const;
export type ReportSort = (typeof REPORT_SORTS)[number];

export class UsageReportQuery extends UsageFilter {
  @ApiPropertyOptional({ enum: GROUPS, default: 'user' })
  @IsOptional()
  @IsIn(GROUPS)
  group_by?: Group;

  @ApiPropertyOptional({
    enum: REPORT_SORTS,
    description:
      'A minus turns the order round; the name of a day is its date. Default: id of users and keys, which is the order ' +
      'they were made in, -tokens of models, name of days. By id and name users and keys are as quick among a million ' +
      'as among a thousand, and by -tokens those of a calendar month or year, or of the last 7, 30, 90 or 365 days, without ' +
      'a filter; else by tokens all are added up first',
  })
  @IsOptional()
  @IsIn(REPORT_SORTS)
  sort?: ReportSort;

  @ApiPropertyOptional({
    description:
      'RFC 3339 date such as 2026-11-01, or date-time; default: the start of the month in which `to` lies',
  })
  @IsOptional()
  @IsMoment()
  from?: string;

  @ApiPropertyOptional({
    description: 'RFC 3339 date (that day included) or date-time (excluded); default: the end of this month',
  })
  @IsOptional()
  @IsMoment()
  to?: string;
}

const UUID = { type: String, format: 'uuid' } as const;

export class UsageReportRow extends UsageTotals {
  @ApiPropertyOptional({
    ...UUID,
    example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b',
    description: 'Of a user or a key',
  })
  user_id?: string;
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'ada',
    description: 'Of a user or a key; null once the account is deleted',
  })
  username?: string | null;
  @ApiPropertyOptional({ ...UUID, nullable: true, description: 'Of a key; null: with a session' })
  key_id?: string | null;
  @ApiPropertyOptional({ type: String, nullable: true, example: 'laptop', description: 'Of a key' })
  key_name?: string | null;
  @ApiPropertyOptional({ example: 'opencode-llm', description: 'Of a model' })
  model?: string;
  @ApiPropertyOptional({ format: 'date', example: '2026-11-23', description: 'Of a day' })
  day?: string;
}

export class UsageReport {
  @ApiProperty({ format: 'date-time', example: '2026-11-01T00:00:00.000Z', description: 'Included' })
  from: string;
  @ApiProperty({ format: 'date-time', example: '2026-12-01T00:00:00.000Z', description: 'Excluded' })
  to: string;
  @ApiProperty({ enum: GROUPS, example: 'user' }) group_by: Group;
  @ApiProperty({ type: UsageTotals, description: 'Of all pages together' }) totals: UsageTotals;
  @ApiProperty({
    type: [UsageReportRow],
    description:
      'Only what was used. By id with a model or parts of days, and by name, a page may hold fewer than `limit`, even ' +
      'none, before the last one',
  })
  data: UsageReportRow[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
