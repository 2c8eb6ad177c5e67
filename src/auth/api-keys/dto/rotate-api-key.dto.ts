import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min, ValidateIf } from 'class-validator';

const DAY = 86_400;
export const DEFAULT_OVERLAP_SECONDS = DAY;
const MAX_OVERLAP_SECONDS = 30 * DAY;

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
  @IsInt({ message: 'overlap_seconds must be a whole number of seconds' })
  @Min(0)
  @Max(MAX_OVERLAP_SECONDS)
  overlap_seconds?: number;
}
