import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { IsEmailAddress } from '../../common/email-address.decorator';
import { IsPlainText } from '../../common/plain-text.decorator';

export class UpdateUser {
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'Ada Lovelace',
    description: 'null clears it',
  })
  @IsOptional()
  @IsPlainText(200)
  name?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'ada@example.com',
    description: 'null clears it',
  })
  @IsOptional()
  @IsEmailAddress()
  email?: string | null;
}
