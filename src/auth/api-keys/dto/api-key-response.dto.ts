import { ApiProperty } from '@nestjs/swagger';
import { TIME_AHEAD } from '../../../common/time-ahead';
import { KeyLimitResponse } from './key-limit.dto';

export class PreviousSecret {
  @ApiProperty({ example: 'Zk71', description: 'How it ends' }) last_four: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:30:00.000Z' }) valid_until: string;
}

export class ApiKeyResponse {
  @ApiProperty({ format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' }) id: string;
  @ApiProperty({ example: 'opencode on my laptop' }) name: string;
  @ApiProperty({ example: 'llmk_3kT', description: 'How the key begins' }) prefix: string;
  @ApiProperty({ example: '9xQ2', description: 'How the key ends' }) last_four: string;
  @ApiProperty({
    type: [String],
    nullable: true,
    example: ['opencode-llm'],
    description: 'The models the key may use; null: all',
  })
  models: string[] | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: TIME_AHEAD })
  expires_at: string | null;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) created_at: string;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'To the minute; null: never',
  })
  last_used_at: string | null;
  @ApiProperty({
    type: PreviousSecret,
    nullable: true,
    example: null,
    description: 'The secret before the last rotation, while it still works',
  })
  previous_secret: PreviousSecret | null;
  @ApiProperty({ type: [KeyLimitResponse], example: [], description: 'Those of its owner hold as well' })
  limits: KeyLimitResponse[];
}

export class CreatedApiKeyResponse extends ApiKeyResponse {
  @ApiProperty({
    example: 'llmk_3kT0vJ5Yw8QmXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2',
    description: 'The key itself: shown here and never again',
  })
  key: string;
}
