import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, ValidateIf } from 'class-validator';
import { IsPlainText } from '../../../common/plain-text.decorator';
import { TIME_AHEAD } from '../../../common/time-ahead';
import { IsExpiry } from './expiry.decorator';
import { IsModelList } from './model-list.decorator';

/** What is absent stays as it is. */
export class ChangeApiKey {
  @ApiPropertyOptional({ example: 'opencode on my laptop' })
  @ValidateIf((_, value) => value !== undefined)
  @IsPlainText(100)
  name?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    example: TIME_AHEAD,
    description: 'null: never',
  })
  @IsOptional()
  @IsExpiry()
  expires_at?: string | null;

  @ApiPropertyOptional({
    type: [String],
    nullable: true,
    example: ['opencode-llm'],
    description: 'The models the key may use; null: all',
  })
  @IsOptional()
  @IsModelList()
  models?: string[] | null;
}
