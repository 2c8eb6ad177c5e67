import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { IsEmailAddress } from '../../common/email-address.decorator';
import { IsPlainText } from '../../common/plain-text.decorator';
import { IsTextUpTo } from '../../common/text-up-to.decorator';
import { IsWholeNumber } from '../../common/whole-number.decorator';
import { UserResponse } from '../../users/dto/user-response.dto';
import { IsUsername } from '../../users/username';

export class Register {
  @ApiProperty({ example: 'ada', description: 'May be an e-mail address; upper and lower case are the same' })
  @IsUsername()
  username: string;

  @ApiProperty({ example: 'correct horse battery staple', format: 'password', maxLength: 128 })
  @IsString()
  password: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'ada@example.com' })
  @IsOptional()
  @IsEmailAddress()
  email?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'Ada Lovelace' })
  @IsOptional()
  @IsPlainText(200)
  name?: string | null;

  @ApiPropertyOptional({
    type: 'integer',
    format: 'int64',
    minimum: 0,
    nullable: true,
    example: 500_000,
    description: 'A monthly limit of your own, at most your cap; it can be changed later',
  })
  @IsOptional()
  @IsWholeNumber(0, Number.MAX_SAFE_INTEGER)
  token_limit?: number | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: null,
    description:
      'From an administrator; works once. It decides over role and cap, and is needed with REGISTRATION=invite',
  })
  @IsOptional()
  @IsTextUpTo(256)
  invitation?: string | null;
}

export class CheckInvitation {
  @ApiProperty({
    example: 'llmi_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2s3',
    description: 'From the link an administrator gave out',
  })
  @IsTextUpTo(256)
  invitation: string;
}

export class RegisteredResponse extends UserResponse {
  @ApiProperty({
    example: 'llmk_3kT0vJ5Yw8QmXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2',
    description: 'A first API key: shown here and never again',
  })
  api_key: string;
}
