import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { LimitWarning } from '../limits/limit-warning';
import type { Limit, LimitPeriod } from '../limits/limit.entity';

const COUNT = { type: 'integer', format: 'int64' } as const;
const OPTIONAL_COUNT = { ...COUNT, nullable: true } as const;
const INSTANT = { type: String, format: 'date-time' } as const;

export class UsageTotals {
  @ApiProperty({ ...COUNT, example: 15_230, description: 'prompt_tokens + completion_tokens' })
  total_tokens: number;
  @ApiProperty({ ...COUNT, example: 12_000 }) prompt_tokens: number;
  @ApiProperty({ ...COUNT, example: 3_230 }) completion_tokens: number;
  @ApiProperty({ ...COUNT, example: 9_000, description: 'Part of prompt_tokens' }) cached_tokens: number;
  @ApiProperty({ ...COUNT, example: 800, description: 'Part of completion_tokens' }) reasoning_tokens: number;
  @ApiProperty({ ...COUNT, example: 42 }) requests: number;
}

export class UsageOfDay extends UsageTotals {
  @ApiProperty({ format: 'date', example: '2026-11-23' }) day: string;
}

export class UsageOfModel extends UsageTotals {
  @ApiProperty({ example: 'opencode-llm' }) model: string;
}

export class UsageOfKey extends UsageTotals {
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b',
    description: 'null: with a session instead of a key',
  })
  key_id: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'laptop' }) name: string | null;
}

export class UsageWindow {
  @ApiProperty({ enum: ['user', 'key', 'everyone'], example: 'user', description: 'Whose use it counts' })
  subject: Limit['subject'];
  @ApiProperty({ enum: ['tokens', 'requests', 'concurrent_requests'], example: 'tokens' })
  metric: Limit['metric'];
  @ApiProperty({ enum: ['minute', 'hour', 'day', 'week', 'month', 'total'], example: 'month' })
  window: LimitPeriod;
  @ApiPropertyOptional({ example: 'opencode-llm', description: 'Only where the window counts one model' })
  model?: string;
  @ApiProperty({ ...OPTIONAL_COUNT, example: 1_000_000, description: 'null: it only counts' })
  limit: number | null;
  @ApiProperty({ ...COUNT, example: 15_230 }) used: number;
  @ApiProperty({ ...COUNT, example: 0, description: 'Held by requests under way' }) reserved: number;
  @ApiProperty({ ...OPTIONAL_COUNT, example: 984_770 }) remaining: number | null;
  @ApiProperty({
    ...INSTANT,
    nullable: true,
    example: '2026-12-01T00:00:00.000Z',
    description: 'null: never',
  })
  resets_at: string | null;
  @ApiProperty({
    type: String,
    enum: ['80_percent', '95_percent', null],
    nullable: true,
    example: null,
    description: 'That much of a token limit is used or held; null: less, or none',
  })
  warning: LimitWarning | null;
}

/** Names one of `windows`. */
export class TightestWindow {
  @ApiProperty({
    enum: ['user', 'key', 'everyone'],
    example: 'user',
    description: 'Whose use it counts; everyone: that of all users together',
  })
  subject: Limit['subject'];
  @ApiProperty({ enum: ['minute', 'hour', 'day', 'week', 'month', 'total'], example: 'month' })
  window: LimitPeriod;
}

export class UsageSummary {
  @ApiProperty({
    ...COUNT,
    example: 15_230,
    description: 'In the token window that has the least left, which tightest_window names',
  })
  tokens_used: number;
  @ApiProperty({ ...OPTIONAL_COUNT, example: 1_000_000, description: 'Of the same window; null: no limit' })
  token_limit: number | null;
  @ApiProperty({ ...OPTIONAL_COUNT, example: 984_770, description: 'Of the same window' })
  remaining: number | null;
  @ApiProperty({
    type: TightestWindow,
    nullable: true,
    description: 'Of which of windows these three are; null: of none yet',
  })
  tightest_window: TightestWindow | null;
  @ApiProperty({ ...INSTANT, example: '2026-11-01T00:00:00.000Z', description: 'Included' }) from: string;
  @ApiProperty({ ...INSTANT, example: '2026-12-01T00:00:00.000Z', description: 'Excluded' }) to: string;
  @ApiProperty({ type: UsageTotals, description: 'Between from and to, as are the three lists' })
  totals: UsageTotals;
  @ApiProperty({ type: [UsageWindow], description: 'As they stand now, whatever from and to are' })
  windows: UsageWindow[];
  @ApiProperty({ type: [UsageOfDay], description: 'Days without use are left out' }) by_day: UsageOfDay[];
  @ApiProperty({ type: [UsageOfModel] }) by_model: UsageOfModel[];
  @ApiProperty({ type: [UsageOfKey] }) by_key: UsageOfKey[];
}

export class KeyUsage {
  @ApiProperty({ enum: ['usage'] }) object: 'usage';
  @ApiProperty({ type: String, format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' })
  key_id: string;
  @ApiProperty({
    ...COUNT,
    example: 15_230,
    description: 'In the token window that has the least left, which tightest_window names',
  })
  tokens_used: number;
  @ApiProperty({ ...OPTIONAL_COUNT, example: 1_000_000, description: 'Of the same window; null: no limit' })
  token_limit: number | null;
  @ApiProperty({ ...OPTIONAL_COUNT, example: 984_770, description: 'Of the same window' })
  remaining: number | null;
  @ApiProperty({
    type: TightestWindow,
    nullable: true,
    description: 'Of which of windows these three are; null: of none yet',
  })
  tightest_window: TightestWindow | null;
  @ApiProperty({ type: [UsageWindow], description: 'Of this key, of its owner, and what all users share' })
  windows: UsageWindow[];
  @ApiProperty({ ...INSTANT, example: '2026-11-01T00:00:00.000Z', description: 'Included' }) from: string;
  @ApiProperty({ ...INSTANT, example: '2026-12-01T00:00:00.000Z', description: 'Excluded' }) to: string;
  @ApiProperty({ type: UsageTotals, description: 'With this key between from and to, as are the two lists' })
  totals: UsageTotals;
  @ApiProperty({ type: [UsageOfDay] }) by_day: UsageOfDay[];
  @ApiProperty({ type: [UsageOfModel] }) by_model: UsageOfModel[];
}
