import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQuery } from '../../common/page-query';
import { IsPlainText } from '../../common/plain-text.decorator';
import { NO_KEY } from '../counted-usage';
import { IsMoment } from '../moment';
import type { Outcome, Source } from '../token-usage';

export const OUTCOMES = [
  'completed',
  'client_closed',
  'upstream_error',
  'rejected',
] as const satisfies Outcome[];

const COUNT = { type: 'integer', format: 'int64' } as const;

export class UsageRecordsQuery extends PageQuery {
  @ApiPropertyOptional({
    format: 'uuid',
    description: 'x-request-id of the answer: that one record, or none',
  })
  @IsOptional()
  @IsUUID()
  request_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: `${NO_KEY}: what was used with sessions` })
  @IsOptional()
  @IsUUID('all')
  key_id?: string;

  @ApiPropertyOptional({ description: 'The public name; % and _ stand for themselves' })
  @IsOptional()
  @IsPlainText(256)
  model?: string;

  @ApiPropertyOptional({ enum: OUTCOMES })
  @IsOptional()
  @IsIn(OUTCOMES)
  outcome?: Outcome;

  @ApiPropertyOptional({
    description: 'RFC 3339 date such as 2026-11-01, or date-time; default: with `to`, 366 days before it',
  })
  @IsOptional()
  @IsMoment()
  from?: string;

  @ApiPropertyOptional({
    description: 'RFC 3339 date (that day included) or date-time (excluded); default: with `from`, now',
  })
  @IsOptional()
  @IsMoment()
  to?: string;

  @ApiPropertyOptional({ enum: ['json', 'csv'], description: 'As `Accept: text/csv`; CSV holds all pages' })
  @IsOptional()
  @IsIn(['json', 'csv'])
  format?: 'json' | 'csv';
}

export class UsageRecord {
  @ApiProperty({
    format: 'uuid',
    example: '019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11',
    description: 'x-request-id',
  })
  request_id: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) admitted_at: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:04.000Z' }) settled_at: string;
  @ApiProperty({ example: 'opencode-llm' }) model: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'null: with a session' })
  key_id: string | null;
  @ApiProperty({ example: 'chat_completions' }) endpoint: string;
  @ApiProperty({ example: true }) stream: boolean;
  @ApiProperty({ enum: OUTCOMES }) outcome: Outcome;
  @ApiProperty({ enum: ['exact', 'estimated'] }) source: Source;
  @ApiProperty({ type: 'integer', example: 200 }) status: number;
  @ApiProperty({ ...COUNT, example: 280 }) prompt_tokens: number;
  @ApiProperty({ ...COUNT, example: 256, description: 'Part of prompt_tokens' }) cached_tokens: number;
  @ApiProperty({ ...COUNT, example: 40 }) completion_tokens: number;
  @ApiProperty({ ...COUNT, example: 0, description: 'Part of completion_tokens' }) reasoning_tokens: number;
  @ApiProperty({ ...COUNT, example: 320 }) total_tokens: number;
  @ApiProperty({ type: 'integer', nullable: true, example: 120 }) time_to_first_token_ms: number | null;
  @ApiProperty({ type: 'integer', example: 4_000 }) duration_ms: number;
}

export class UsageRecordsPage {
  @ApiProperty({
    type: [UsageRecord],
    description:
      'Newest first. With key_id, model or outcome a page may hold fewer than `limit`, even none, before the last one',
  })
  data: UsageRecord[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
