import { ApiProperty } from '@nestjs/swagger';
import { PreviousSecret } from '../../../auth/api-keys/dto/api-key-response.dto';
import type { Role } from '../../../common/principal';
import { UsageRecord } from '../../../usage/dto/usage-records.dto';
import type { Limit, LimitPeriod } from '../../../usage/limits/limit.entity';
import { InvitationLimitView } from '../../invitations/invitation.dto';
import { AdminUserResponse } from '../../users/dto/users-query.dto';

const COUNT = { type: 'integer', format: 'int64' } as const;
const INSTANT = { type: String, format: 'date-time' } as const;
const OPTIONAL_INSTANT = { ...INSTANT, nullable: true } as const;
const ID = { type: String, format: 'uuid' } as const;
const OPTIONAL_TEXT = { type: String, nullable: true } as const;

export class ExportedInvitation {
  @ApiProperty(ID) id: string;
  @ApiProperty({ enum: ['user', 'admin'] }) role: Role;
  @ApiProperty({ type: [InvitationLimitView], description: 'What it gave the account' })
  limits: InvitationLimitView[];
  @ApiProperty(INSTANT) created_at: Date;
  @ApiProperty(INSTANT) expires_at: Date;
  @ApiProperty(INSTANT) used_at: Date;
}

export class ExportedPasswordLink {
  @ApiProperty(INSTANT) created_at: Date;
  @ApiProperty(INSTANT) expires_at: Date;
}

export class ExportedSession extends ExportedPasswordLink {
  @ApiProperty(ID) id: string;
  @ApiProperty(INSTANT) last_used_at: Date;
  @ApiProperty(OPTIONAL_INSTANT) ended_at: Date | null;
  @ApiProperty({ ...OPTIONAL_TEXT, example: 'logout' }) end_reason: string | null;
  @ApiProperty(OPTIONAL_TEXT) user_agent: string | null;
  @ApiProperty({ ...OPTIONAL_TEXT, example: '192.0.2.7' }) address: string | null;
}

export class ExportedApiKey {
  @ApiProperty(ID) id: string;
  @ApiProperty({ example: 'laptop' }) name: string;
  @ApiProperty({ example: 'llmk_3kT' }) prefix: string;
  @ApiProperty({ example: '9xQ2' }) last_four: string;
  @ApiProperty({ type: [String], nullable: true, description: 'null: all models' }) models: string[] | null;
  @ApiProperty(INSTANT) created_at: Date;
  @ApiProperty(OPTIONAL_INSTANT) expires_at: Date | null;
  @ApiProperty(OPTIONAL_INSTANT) last_used_at: Date | null;
  @ApiProperty(OPTIONAL_INSTANT) revoked_at: Date | null;
  @ApiProperty({
    type: PreviousSecret,
    nullable: true,
    description: 'Before the last rotation; it may have ended',
  })
  previous_secret: PreviousSecret | null;
}

class OfWindow {
  @ApiProperty({ enum: ['tokens', 'requests', 'concurrent_requests'] }) metric: Limit['metric'];
  @ApiProperty({ enum: ['minute', 'hour', 'day', 'week', 'month', 'total'] }) window: LimitPeriod;
}

/** Where an administrator decided that there is no limit, not even the default. */
export class ExportedExemption extends OfWindow {}

/** Whose use is counted, of what, and in which window. */
class Counted extends OfWindow {
  @ApiProperty({ enum: ['user', 'key'] }) subject: Limit['subject'];
  @ApiProperty({ ...ID, description: 'The account, or the key' }) subject_id: string;
  @ApiProperty({ ...OPTIONAL_TEXT, description: 'null: all models' }) model: string | null;
}

export class ExportedLimit extends Counted {
  @ApiProperty(COUNT) amount: number;
  @ApiProperty({ ...COUNT, nullable: true }) temporary_amount: number | null;
  @ApiProperty(OPTIONAL_INSTANT) temporary_until: Date | null;
  @ApiProperty({ enum: ['default', 'admin', 'self'] }) set_by: string;
  @ApiProperty(INSTANT) created_at: Date;
}

export class ExportedCounter extends Counted {
  @ApiProperty({ ...OPTIONAL_INSTANT, description: 'null: nothing has been counted yet' })
  window_start: Date | null;
  @ApiProperty(COUNT) used: number;
  @ApiProperty({ ...COUNT, description: 'Held by requests under way' }) reserved: number;
}

export class ExportedDay {
  @ApiProperty({ format: 'date', example: '2026-11-23' }) day: string;
  @ApiProperty({ ...ID, nullable: true, description: 'null: with a session' }) key_id: string | null;
  @ApiProperty({ example: 'opencode-llm' }) model: string;
  @ApiProperty(COUNT) requests: number;
  @ApiProperty(COUNT) prompt_tokens: number;
  @ApiProperty(COUNT) cached_tokens: number;
  @ApiProperty(COUNT) completion_tokens: number;
  @ApiProperty(COUNT) reasoning_tokens: number;
}

export class ExportedAuditEntry {
  @ApiProperty({ example: '1042' }) id: string;
  @ApiProperty(INSTANT) at: Date;
  @ApiProperty({ description: 'false: an administrator, or the server itself' }) by_me: boolean;
  @ApiProperty({ example: 'user.changed' }) action: string;
  @ApiProperty({ example: 'user' }) subject: string;
  @ApiProperty({ ...ID, nullable: true }) subject_id: string | null;
  @ApiProperty({ type: Object, nullable: true, description: 'Of what is about me' })
  before: Record<string, unknown> | null;
  @ApiProperty({ type: Object, nullable: true, description: 'Of what is about me' })
  after: Record<string, unknown> | null;
  @ApiProperty({ ...OPTIONAL_TEXT, description: 'Of what I did' }) address: string | null;
  @ApiProperty({ ...ID, nullable: true }) request_id: string | null;
}

/** Everything kept about an account, but no secrets: of those there are only hashes. */
export class AccountExport {
  @ApiProperty(INSTANT) exported_at: string;
  @ApiProperty({ type: AdminUserResponse }) profile: AdminUserResponse;
  @ApiProperty({ type: ExportedInvitation, nullable: true, description: 'The one the account was made with' })
  invitation: ExportedInvitation | null;
  @ApiProperty({ type: [ExportedPasswordLink], description: 'A link to set a password that is not used yet' })
  password_links: ExportedPasswordLink[];
  @ApiProperty({ type: [ExportedSession], description: 'With those that have ended' })
  sessions: ExportedSession[];
  @ApiProperty({ type: [ExportedApiKey], description: 'With those that are revoked' })
  api_keys: ExportedApiKey[];
  @ApiProperty({ type: [ExportedLimit] }) limits: ExportedLimit[];
  @ApiProperty({
    type: [ExportedExemption],
    description: 'Where no default holds, as an administrator decided',
  })
  default_exemptions: ExportedExemption[];
  @ApiProperty({ type: [ExportedCounter] }) counters: ExportedCounter[];
  @ApiProperty({ type: [ExportedAuditEntry], description: 'What I did, and what was done to my account' })
  audit_log: ExportedAuditEntry[];
  @ApiProperty({ type: [ExportedDay] }) daily_usage: ExportedDay[];
  @ApiProperty({ type: [UsageRecord], description: 'Newest first' }) usage_records: UsageRecord[];
}
