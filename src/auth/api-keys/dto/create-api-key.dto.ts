import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsOptional,
  IsISO8601,
  ValidateBy,
} from 'class-validator';
import { IsPlainText } from '../../../common/plain-text.decorator';

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

const IsInFuture = (): PropertyDecorator =>
  ValidateBy({
    name: 'isInFuture',
    validator: {
      validate: (value) =>
        typeof value === 'string' && TIMESTAMP.test(value) && Date.parse(value) > Date.now(),
      defaultMessage: () => '$property must be a time in the future such as 2027-11-23T00:00:00Z',
    },
  });

export class CreateApiKey {
  @ApiProperty({ example: 'opencode on my laptop' })
  @IsPlainText(100)
  name: string;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, example: null })
  @IsOptional()
  @IsISO8601({ strict: true }, { message: 'expires_at must be a time such as 2027-11-23T00:00:00Z' })
  @IsInFuture()
  expires_at?: string | null;

  @ApiPropertyOptional({
    type: [String],
    nullable: true,
    example: null,
    description: 'Leave it out for all models',
  })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1, { message: 'models must name at least one model; leave it out for all' })
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsPlainText(256, { each: true })
  models?: string[] | null;
}
