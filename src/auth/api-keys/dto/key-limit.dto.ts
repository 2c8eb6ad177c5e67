import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { IsLimitWindow } from '../../../common/limit-window.decorator';
import { IsPlainText } from '../../../common/plain-text.decorator';
import { IsWholeNumber } from '../../../common/whole-number.decorator';

const METRICS = ['tokens', 'requests', 'concurrent_requests'] as const;
const WINDOWS = ['minute', 'hour', 'day', 'week', 'month', 'total'] as const;
const AMOUNT = { type: 'integer', format: 'int64', minimum: 0 } as const;

type Metric = (typeof METRICS)[number];
type Window = (typeof WINDOWS)[number];

/** A limit that the owner of a key sets on it. */
export class KeyLimit {
  @ApiProperty({ enum: METRICS, example: 'tokens' })
  @IsIn(METRICS)
  metric: Metric;

  @ApiPropertyOptional({
    type: String,
    enum: WINDOWS,
    nullable: true,
    example: 'day',
    description: 'Required, but for concurrent_requests, which have none',
  })
  @IsLimitWindow(WINDOWS)
  window?: Window | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: null,
    description: 'The public name of a model; absent: all models',
  })
  @IsOptional()
  @IsPlainText(256)
  model?: string | null;

  @ApiProperty({ ...AMOUNT, example: 50_000 })
  @IsWholeNumber(0, Number.MAX_SAFE_INTEGER)
  amount: number;
}

/** What is counted: two limits of one name would be one limit. Concurrent requests have no window. */
export function counterName({ metric, window, model }: Omit<KeyLimit, 'amount'>): string {
  return JSON.stringify([metric, metric === 'concurrent_requests' ? null : window, model ?? '']);
}

export class KeyLimitResponse {
  @ApiProperty({ format: 'uuid', example: '0197a3c2-7d0e-7b64-9a53-3f6b1f0c2d11' }) id: string;
  @ApiProperty({ enum: METRICS, example: 'tokens' }) metric: Metric;
  @ApiProperty({
    type: String,
    enum: WINDOWS,
    nullable: true,
    example: 'day',
    description: 'null for concurrent_requests',
  })
  window: Window | null;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null: all models together' })
  model: string | null;
  @ApiProperty({ ...AMOUNT, example: 50_000, description: 'What holds now' }) amount: number;
  @ApiProperty({
    enum: ['self', 'admin'],
    example: 'self',
    description: 'admin: only an administrator changes it',
  })
  set_by: 'self' | 'admin';
}
