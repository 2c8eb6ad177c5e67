import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQuery } from '../../../common/page-query';
import { IsPlainText } from '../../../common/plain-text.decorator';
import type { Limit, LimitPeriod } from '../limit.entity';
import { LimitView, METRICS, SUBJECTS, WINDOWS } from './limit.dto';

const LIMIT_SORTS = ['created_at', '-created_at'] as const;
export type LimitSort = (typeof LIMIT_SORTS)[number];

const SET_BY = ['default', 'admin', 'self'] as const satisfies Limit['setBy'][];

export class LimitsQuery extends PageQuery {
  @ApiPropertyOptional({ enum: SUBJECTS })
  @IsOptional()
  @IsIn(SUBJECTS)
  subject?: Limit['subject'];

  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  subject_id?: string;

  @ApiPropertyOptional({ enum: METRICS })
  @IsOptional()
  @IsIn(METRICS)
  metric?: Limit['metric'];

  @ApiPropertyOptional({ enum: WINDOWS, description: 'Limits on concurrent requests have none' })
  @IsOptional()
  @IsIn(WINDOWS)
  window?: LimitPeriod;

  @ApiPropertyOptional({ enum: SET_BY })
  @IsOptional()
  @IsIn(SET_BY)
  set_by?: Limit['setBy'];

  @ApiPropertyOptional({ description: 'The public name; only limits on that model alone' })
  @IsOptional()
  @IsPlainText(256)
  model?: string;

  @ApiPropertyOptional({
    enum: LIMIT_SORTS,
    default: '-created_at',
    description: 'A minus turns the order round',
  })
  @IsOptional()
  @IsIn(LIMIT_SORTS)
  sort?: LimitSort;
}

export class LimitsPage {
  @ApiProperty({
    type: [LimitView],
    description:
      'With a filter other than `subject_id` a page may hold fewer than `limit`, even none, before the last one',
  })
  data: LimitView[];

  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
