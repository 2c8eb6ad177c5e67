import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsObject,
  IsOptional,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsPlainText } from '../../common/plain-text.decorator';
import type { Role } from '../../common/principal';
import { DefaultLimit, METRICS, WINDOWS } from '../../usage/limits/dto/limit.dto';
import type { Limit, LimitPeriod } from '../../usage/limits/limit.entity';
import { IsTokenAmount } from '../../usage/limits/token-amount.decorator';
import { PageQuery } from '../../common/page-query';
import { IsWholeNumber } from '../../common/whole-number.decorator';
import { PersonReference } from '../person-reference';
import { INVITATION_SORTS, InvitationSort } from './invitation-sort';

const INVITATION_STATUSES = ['open', 'used', 'expired', 'revoked'] as const;

export type InvitationStatus = (typeof INVITATION_STATUSES)[number];

const DEFAULT_DAYS = 7;
const LONGEST_DAYS = 90;
const MOST_LIMITS = 20;
const AMOUNT = { type: 'integer', format: 'int64', minimum: 0, nullable: true } as const;

/** As the default limits, and for single models, too. */
export class InvitedLimit extends DefaultLimit {
  @ApiProperty({ ...AMOUNT, example: 60, description: 'null: no limit, not even the default one' })
  declare amount: number | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'opencode-llm',
    description: 'The public name of a model; absent or null: all models',
  })
  @IsOptional()
  @IsPlainText(256)
  model?: string | null;
}

export class CreateInvitation {
  @ApiPropertyOptional({ enum: ['user', 'admin'], default: 'user' })
  @ValidateIf((_, value) => value !== undefined)
  @IsIn(['user', 'admin'])
  role?: Role;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'Grace, grace@example.com',
    description: 'For whom it is; only administrators see it',
  })
  @IsOptional()
  @IsPlainText(200)
  note?: string | null;

  @ApiPropertyOptional({
    ...AMOUNT,
    example: 2_000_000,
    description: 'Tokens a month the user may spend at most; null: no cap; left out: the default cap',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsTokenAmount()
  token_limit?: number | null;

  @ApiPropertyOptional({
    type: [InvitedLimit],
    maxItems: MOST_LIMITS,
    example: [{ metric: 'requests', window: 'minute', amount: 60 }],
    description: 'Other limits of the user, one for each counter; they take the place of the default ones',
  })
  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => InvitedLimit)
  // The lowest one speaks first. A list in the list would be looked into, and its own members taken for checked.
  @IsObject({ each: true })
  @ArrayMaxSize(MOST_LIMITS)
  @IsArray()
  limits?: InvitedLimit[];

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: LONGEST_DAYS, default: DEFAULT_DAYS })
  @ValidateIf((_, value) => value !== undefined)
  @IsWholeNumber(1, LONGEST_DAYS)
  expires_in_days: number = DEFAULT_DAYS;
}

export class InvitationsQuery extends PageQuery {
  @ApiPropertyOptional({ enum: INVITATION_STATUSES })
  @IsOptional()
  @IsIn(INVITATION_STATUSES)
  status?: InvitationStatus;

  @ApiPropertyOptional({ description: 'A part of the note, in any case; % and _ stand for themselves' })
  @IsOptional()
  @IsPlainText(200)
  search?: string;

  @ApiPropertyOptional({
    enum: INVITATION_SORTS,
    default: '-created_at',
    description: 'A minus turns the order round',
  })
  @IsOptional()
  @IsIn(INVITATION_SORTS)
  sort?: InvitationSort;
}

export class InvitationLimitView {
  @ApiProperty({ enum: METRICS, example: 'tokens' }) metric: Limit['metric'];
  @ApiProperty({ type: String, enum: WINDOWS, nullable: true, example: 'month' }) window: LimitPeriod | null;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null: all models together' })
  model: string | null;
  @ApiProperty({ ...AMOUNT, example: 2_000_000, description: 'null: no limit, not even the default one' })
  amount: number | null;
}

export class InvitationResponse {
  @ApiProperty({ format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2c' }) id: string;
  @ApiProperty({ enum: INVITATION_STATUSES, example: 'open' }) status: InvitationStatus;
  @ApiProperty({ enum: ['user', 'admin'], example: 'user' }) role: Role;
  @ApiProperty({ type: String, nullable: true, example: 'Grace, grace@example.com' }) note: string | null;
  @ApiProperty({ type: [InvitationLimitView], description: 'What is not listed is as the defaults say' })
  limits: InvitationLimitView[];
  @ApiProperty({ type: PersonReference }) created_by: PersonReference;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) created_at: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-30T09:30:00.000Z' }) expires_at: string;
  @ApiProperty({ type: PersonReference, nullable: true, example: null, description: 'Who came with it' })
  used_by: PersonReference | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null }) used_at: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  revoked_at: string | null;
}

export class CreatedInvitationResponse extends InvitationResponse {
  @ApiProperty({
    example: 'llmi_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2s3',
    description: 'For POST /auth/register; works once, shown here and never again',
  })
  token: string;

  @ApiProperty({
    example: 'https://llm.example.com/auth/register#llmi_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2s3',
    description: 'A page on which the invited person makes the account; hand it over on a way only they read',
  })
  url: string;
}

export class InvitationsPage {
  @ApiProperty({ type: [InvitationResponse] }) data: InvitationResponse[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
