import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayUnique, IsArray, IsObject, IsOptional, ValidateNested } from 'class-validator';
import { IsPlainText } from '../../../common/plain-text.decorator';
import { IsExpiry } from './expiry.decorator';
import { counterName, KeyLimit } from './key-limit.dto';
import { IsModelList } from './model-list.decorator';

export class CreateApiKey {
  @ApiProperty({ example: 'opencode on my laptop' })
  @IsPlainText(100)
  name: string;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, example: null })
  @IsOptional()
  @IsExpiry()
  expires_at?: string | null;

  @ApiPropertyOptional({
    type: [String],
    nullable: true,
    example: null,
    description: 'Leave it out for all models',
  })
  @IsOptional()
  @IsModelList()
  models?: string[] | null;

  @ApiPropertyOptional({
    type: [KeyLimit],
    example: [],
    description: 'What this key may use at most; the limits of its owner hold as well',
  })
  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => KeyLimit)
  @ArrayUnique((limit: KeyLimit | null) => limit && counterName(limit), {
    message: 'limits must not hold two limits on the same metric, window and model',
  })
  // The lowest one speaks first. A list in the list would be looked into, and its own members taken for checked.
  @IsObject({ each: true })
  @ArrayMaxSize(20)
  @IsArray()
  limits?: KeyLimit[] | null;
}
