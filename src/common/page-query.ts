import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional } from 'class-validator';
import { digits } from './digits';
import { IsTextUpTo } from './text-up-to.decorator';
import { IsWholeNumber } from './whole-number.decorator';

export const DEFAULT_PAGE_SIZE = 50;

/** Which part of a list is asked for. */
export class PageQuery {
  @ApiPropertyOptional({ description: 'next_cursor of the page before; default: the first page' })
  @IsOptional()
  @IsTextUpTo(1_024)
  cursor?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 100, default: DEFAULT_PAGE_SIZE })
  @IsOptional()
  @Transform(digits)
  @IsWholeNumber(1, 100)
  limit?: number;
}
