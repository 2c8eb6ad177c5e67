import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, ValidateIf } from 'class-validator';
import { IsEmailAddress } from '../../../common/email-address.decorator';
import { PasswordResetLink } from '../../../auth/password-reset/dto/password-reset.dto';
import { IsPlainText } from '../../../common/plain-text.decorator';
import type { Role } from '../../../common/principal';
import { IsTokenAmount } from '../../../usage/limits/token-amount.decorator';
import { IsUsername } from '../../../users/username';
import { AdminUserResponse } from './users-query.dto';

export class CreateUser {
  @ApiProperty({
    example: 'grace',
    description: 'May be an e-mail address; upper and lower case are the same',
  })
  @IsUsername()
  username: string;

  @ApiPropertyOptional({
    type: String,
    format: 'password',
    nullable: true,
    example: 'nine owls over the orchard',
    maxLength: 128,
    description: 'Leave it out to get a link with which the user sets one',
  })
  @IsOptional()
  @IsString()
  password?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'grace@example.com' })
  @IsOptional()
  @IsEmailAddress()
  email?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'Grace Hopper' })
  @IsOptional()
  @IsPlainText(200)
  name?: string | null;

  @ApiPropertyOptional({ enum: ['user', 'admin'], default: 'user' })
  @IsOptional()
  @IsIn(['user', 'admin'])
  role?: Role;

  @ApiPropertyOptional({
    type: 'integer',
    format: 'int64',
    minimum: 0,
    nullable: true,
    example: 2_000_000,
    description: 'Tokens a month the user may spend at most; null: no cap; left out: the default cap',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsTokenAmount()
  token_limit?: number | null;
}

export class CreatedUserResponse extends AdminUserResponse {
  @ApiProperty({
    example: 'llmk_3kT0vJ5Yw8QmXr2bN6cZ1aLh4sPd7eGf9uKiBtCnVoE0A9xQ2',
    description: 'A first API key of the user: shown here and never again',
  })
  api_key: string;

  @ApiProperty({
    type: PasswordResetLink,
    nullable: true,
    description: 'For the user to set a password, within 7 days; null when the request chose one',
  })
  password_link: PasswordResetLink | null;
}
