import { ApiPropertyOptional } from '@nestjs/swagger';
import { ValidateIf } from 'class-validator';
import { IsWholeNumber } from '../../../common/whole-number.decorator';

const DAY = 86_400;
export const DEFAULT_OVERLAP_SECONDS = DAY;
export const MAX_OVERLAP_SECONDS = 30 * DAY;

export class RotateApiKey {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_OVERLAP_SECONDS,
    default: DEFAULT_OVERLAP_SECONDS,
    example: 3_600,
    description: 'How long the old secret works as well; 0: not at all, for one that others know',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsWholeNumber(0, MAX_OVERLAP_SECONDS)
  overlap_seconds?: number;
}
