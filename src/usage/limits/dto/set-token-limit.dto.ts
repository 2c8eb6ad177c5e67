import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import type { LimitPeriod } from '../limit.entity';
import { IsTokenAmount } from '../token-amount.decorator';

const PERIODS = ['minute', 'hour', 'day', 'week', 'month', 'total'] as const satisfies LimitPeriod[];

export class SetOwnTokenLimit {
  // The cap by default: whoever sends the example as it stands may spend what he or she could before.
  @ApiProperty({
    type: 'integer',
    format: 'int64',
    minimum: 0,
    nullable: true,
    example: 1_000_000,
    description: 'Tokens you want to spend at most, up to your cap; null takes only your own limit away',
  })
  @IsTokenAmount()
  token_limit: number | null;

  @ApiPropertyOptional({ enum: ['month'], default: 'month' })
  @IsOptional()
  @IsIn(['month'])
  window?: 'month';
}

export class SetTokenCap {
  @ApiProperty({
    type: 'integer',
    format: 'int64',
    minimum: 0,
    nullable: true,
    example: 2_000_000,
    description: 'Tokens the user may spend at most; null: no cap in this window, whatever the default',
  })
  @IsTokenAmount()
  token_limit: number | null;

  @ApiPropertyOptional({ enum: PERIODS, default: 'month' })
  @IsOptional()
  @IsIn(PERIODS)
  window?: LimitPeriod;
}
