import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID, ValidateIf } from 'class-validator';
import { IsLimitWindow } from '../../../common/limit-window.decorator';
import { IsPlainText } from '../../../common/plain-text.decorator';
import { TIME_AHEAD } from '../../../common/time-ahead';
import { IsWholeNumber } from '../../../common/whole-number.decorator';
import type { Limit, LimitPeriod } from '../limit.entity';
import { IsRaiseEnd } from '../raise-end';

export const SUBJECTS = ['everyone', 'user', 'key'] as const satisfies Limit['subject'][];
export const METRICS = ['tokens', 'requests', 'concurrent_requests'] as const satisfies Limit['metric'][];
export const WINDOWS = ['minute', 'hour', 'day', 'week', 'month', 'total'] as const satisfies LimitPeriod[];

const AMOUNT = { type: 'integer', format: 'int64', minimum: 0 } as const;

/** What a limit holds: which counter, and how much. */
export class PutLimit {
  @ApiProperty({
    enum: SUBJECTS,
    example: 'user',
    description: 'everyone: one pool that all users share',
  })
  @IsIn(SUBJECTS)
  subject: Limit['subject'];

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    example: '0197a3c2-7d0e-7b64-9a53-3f6b1f0c2d11',
    description: 'The id of the user or the key; absent or null for everyone',
  })
  @ValidateIf(({ subject, subject_id: id }: PutLimit) => subject !== 'everyone' || (id ?? null) !== null)
  @IsUUID()
  subject_id?: string | null;

  @ApiProperty({ enum: METRICS, example: 'requests' })
  @IsIn(METRICS)
  metric: Limit['metric'];

  @ApiPropertyOptional({
    type: String,
    enum: WINDOWS,
    nullable: true,
    example: 'minute',
    description: 'Required, but for concurrent_requests, which have none',
  })
  @IsLimitWindow(WINDOWS)
  window?: LimitPeriod | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'opencode-llm',
    description: 'The public name of a model; absent or null: all models',
  })
  @IsOptional()
  @IsPlainText(256)
  model?: string | null;

  @ApiProperty({ ...AMOUNT, example: 60 })
  @IsWholeNumber(0, Number.MAX_SAFE_INTEGER)
  amount: number;
}

export class DefaultLimit {
  @ApiProperty({ enum: METRICS, example: 'tokens' })
  @IsIn(METRICS)
  metric: Limit['metric'];

  @ApiPropertyOptional({ type: String, enum: WINDOWS, nullable: true, example: 'month' })
  @IsLimitWindow(WINDOWS)
  window?: LimitPeriod | null;

  @ApiProperty({ ...AMOUNT, nullable: true, example: 500_000, description: 'null takes the default away' })
  @ValidateIf(({ amount }: DefaultLimit) => amount !== null)
  @IsWholeNumber(0, Number.MAX_SAFE_INTEGER)
  amount: number | null;
}

export class DefaultLimitChanged {
  @ApiProperty({ type: 'integer', example: 212, description: 'Users whose default was set or taken away' })
  users: number;
}

export class DefaultLimitView {
  @ApiProperty({ enum: METRICS, example: 'tokens' })
  metric: Limit['metric'];

  @ApiProperty({ type: String, enum: WINDOWS, nullable: true, example: 'month' })
  window: LimitPeriod | null;

  @ApiProperty({ ...AMOUNT, nullable: true, example: 1_000_000, description: 'null: none' })
  amount: number | null;

  @ApiProperty({ enum: ['configuration', 'admin'], example: 'configuration' })
  set_by: 'configuration' | 'admin';
}

export class DefaultLimitList {
  @ApiProperty({ type: [DefaultLimitView] })
  data: DefaultLimitView[];
}

export class TemporaryAmount {
  @ApiProperty({ ...AMOUNT, example: 5_000_000 })
  @IsWholeNumber(0, Number.MAX_SAFE_INTEGER)
  amount: number;

  @ApiProperty({
    format: 'date-time',
    example: TIME_AHEAD,
    description: 'Then the usual amount holds again',
  })
  @IsRaiseEnd()
  until: string;
}

export class LimitView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: SUBJECTS, example: 'user' })
  subject: Limit['subject'];

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'null for everyone' })
  subject_id: string | null;

  @ApiProperty({ enum: METRICS, example: 'requests' })
  metric: Limit['metric'];

  @ApiProperty({ type: String, enum: WINDOWS, nullable: true, example: 'minute' })
  window: LimitPeriod | null;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'null: all models together' })
  model: string | null;

  @ApiProperty({ ...AMOUNT, example: 60 })
  amount: number;

  @ApiProperty({
    type: TemporaryAmount,
    nullable: true,
    description: 'Holds instead of amount until its end',
  })
  temporary: TemporaryAmount | null;

  @ApiProperty({ enum: ['default', 'admin', 'self'], example: 'admin' })
  set_by: Limit['setBy'];

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;
}
