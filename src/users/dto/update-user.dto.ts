import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsEmail, IsOptional, MaxLength } from 'class-validator';
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
  @IsEmail({}, { message: 'email must be an e-mail address such as ada@example.com' })
  @MaxLength(254)
  email?: string | null;
}
