import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsUUID } from 'class-validator';
import { IsPlainText } from '../../common/plain-text.decorator';
import { PageQuery } from '../../common/page-query';

const UUID = { type: String, format: 'uuid' } as const;
const COUNT = { type: 'integer', format: 'int64' } as const;

export class LiveRequestsQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' }) @IsOptional() @IsUUID() user_id?: string;
  @ApiPropertyOptional({ format: 'uuid' }) @IsOptional() @IsUUID() key_id?: string;
  @ApiPropertyOptional({ description: 'The public name' }) @IsOptional() @IsPlainText(256) model?: string;
}

export class LiveRequest {
  @ApiProperty({ ...UUID, example: '019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11', description: 'x-request-id' })
  id: string;
  @ApiProperty({ ...UUID, example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' }) user_id: string;
  @ApiProperty({ type: String, nullable: true, example: 'ada', description: 'null: deleted meanwhile' })
  username: string | null;
  @ApiProperty({ ...UUID, nullable: true, description: 'null: with a session' }) key_id: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'laptop' }) key_name: string | null;
  @ApiProperty({ example: 'opencode-llm' }) model: string;
  @ApiProperty({ example: 'chat_completions' }) endpoint: string;
  @ApiProperty({ example: true }) stream: boolean;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) admitted_at: string;
  @ApiProperty({
    ...COUNT,
    example: 8_472,
    description: 'The most it can use; held of the limits until it ends',
  })
  reserved_tokens: number;
  @ApiProperty({
    ...COUNT,
    nullable: true,
    example: 280,
    description: 'About half of it until vLLM has told; null: nothing is known yet',
  })
  prompt_tokens: number | null;
  @ApiProperty({ ...COUNT, nullable: true, example: 120, description: 'So far; null: nothing is known yet' })
  completion_tokens: number | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: '2026-11-23T09:30:04.000Z',
    description: 'When the tokens were last counted: while they grow, at most 5 seconds ago',
  })
  counted_at: string | null;
  @ApiProperty({
    ...UUID,
    example: '019aae2b-0c5f-7d7e-9a2b-5f3e7a108d4f',
    description: 'Which process runs it',
  })
  process_id: string;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'gateway-1:17',
    description: 'Its host and process number',
  })
  process_name: string | null;
  @ApiProperty({ example: false, description: 'An administrator has ended it: it is about to go' })
  ending: boolean;
}

export class LiveRequestsPage {
  @ApiProperty({ type: [LiveRequest], description: 'Newest first' }) data: LiveRequest[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
