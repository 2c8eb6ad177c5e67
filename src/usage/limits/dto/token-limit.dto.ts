import { ApiProperty } from '@nestjs/swagger';
import type { LimitPeriod } from '../limit.entity';

const TOKENS = { type: 'integer', format: 'int64', nullable: true } as const;

export class TokenLimit {
  @ApiProperty({ ...TOKENS, example: 250_000, description: 'What holds: the smaller of cap and own_limit' })
  token_limit: number | null;

  @ApiProperty({ ...TOKENS, example: 250_000, description: 'What the user set for himself or herself' })
  own_limit: number | null;

  @ApiProperty({ ...TOKENS, example: 1_000_000, description: 'What an administrator or the default allows' })
  cap: number | null;

  @ApiProperty({ enum: ['minute', 'hour', 'day', 'week', 'month', 'total'], example: 'month' })
  window: LimitPeriod;

  @ApiProperty({ type: 'integer', format: 'int64', example: 15_230 })
  used: number;

  @ApiProperty({ ...TOKENS, example: 234_770, description: 'What running requests hold is not left' })
  remaining: number | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-12-01T00:00:00.000Z' })
  resets_at: string | null;
}
