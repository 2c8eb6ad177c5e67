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
/** More than a million accounts may spend by default. */
const AMOUNT_OF_NO_EFFECT = 1_000_000_000_000;

/** What a limit holds: which counter, and how much. */
export class PutLimit {
  @ApiProperty({
    enum: SUBJECTS,
    example: 'everyone',
    description: 'everyone: one pool that all users share',
  })
  @IsIn(SUBJECTS)
  subject: Limit['subject'];

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    example: null,
    description: 'The id of the user or the key; absent or null for everyone',
  })
  @ValidateIf(({ subject, subject_id: id }: PutLimit) => subject !== 'everyone' || (id ?? null) !== null)
  @IsUUID()
  subject_id?: string | null;

  @ApiProperty({ enum: METRICS, example: 'tokens' })
  @IsIn(METRICS)
  metric: Limit['metric'];

  @ApiPropertyOptional({
    type: String,
    enum: WINDOWS,
    nullable: true,
    example: 'month',
    description: 'Required, but for concurrent_requests, which have none',
  })
  @IsLimitWindow(WINDOWS)
  window?: LimitPeriod | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: null,
    description: 'The public name of a model; absent or null: all models',
  })
  @IsOptional()
  @IsPlainText(256)
  model?: string | null;

  @ApiProperty({ ...AMOUNT, example: AMOUNT_OF_NO_EFFECT })
  @IsWholeNumber(0, Number.MAX_SAFE_INTEGER)
  amount: number;
}

const SOMEBODYS_ID = '0197a3c2-7d0e-7b64-9a53-3f6b1f0c2d11';

/** The page sends the first as it stands: it must neither need an id nor hold anybody up. */
export const PUT_LIMIT_EXAMPLES = {
  everyone: {
    value: { subject: 'everyone', metric: 'tokens', window: 'month', amount: AMOUNT_OF_NO_EFFECT },
  },
  user: {
    value: { subject: 'user', subject_id: SOMEBODYS_ID, metric: 'requests', window: 'minute', amount: 60 },
  },
  key: {
    value: {
      subject: 'key',
      subject_id: SOMEBODYS_ID,
      metric: 'tokens',
      window: 'day',
      model: 'opencode-llm',
      amount: 500_000,
    },
  },
} as const satisfies Record<string, { value: PutLimit }>;

export class DefaultLimit {
  @ApiProperty({ enum: METRICS, example: 'tokens' })
  @IsIn(METRICS)
  metric: Limit['metric'];

  @ApiPropertyOptional({ type: String, enum: WINDOWS, nullable: true, example: 'month' })
  @IsLimitWindow(WINDOWS)
  window?: LimitPeriod | null;

  // The default of DEFAULT_TOKEN_LIMIT: whoever sends the example as it stands changes nothing.
  @ApiProperty({ ...AMOUNT, nullable: true, example: 1_000_000, description: 'null takes the default away' })
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
