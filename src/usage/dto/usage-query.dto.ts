import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { IsMoment } from '../moment';

export class UsageQuery {
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
