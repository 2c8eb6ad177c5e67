import { ApiProperty } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { IsTextUpTo } from '../../../common/text-up-to.decorator';

export class CheckPasswordLink {
  @ApiProperty({
    example: 'llmp_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2s3',
    description: 'From the link an administrator gave out; works once',
  })
  @IsTextUpTo(256)
  token: string;
}

export class ResetPassword extends CheckPasswordLink {
  @ApiProperty({ example: 'a longer sentence that only I know', format: 'password', maxLength: 128 })
  @IsString()
  new_password: string;
}

export class PasswordResetLink {
  @ApiProperty({
    example: 'llmp_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2s3',
    description: 'For POST /auth/password-reset; works once, shown here and never again',
  })
  token: string;

  @ApiProperty({
    example: 'https://llm.example.com/auth/password-reset#llmp_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2s3',
    description: 'A page on which the user sets a password; hand it over on a way only the user reads',
  })
  url: string;

  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:30:00.000Z' }) expires_at: string;
}
