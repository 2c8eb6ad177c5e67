import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, ValidateIf } from 'class-validator';
import { IsTextUpTo } from '../../common/text-up-to.decorator';

/** What OAuth2 clients (Swagger's Authorize among them) send along without being asked; read by nobody. */
class OAuth2Extras {
  @ApiPropertyOptional({ example: '' }) @IsOptional() @IsString() scope?: string;
  @ApiPropertyOptional({ example: '' }) @IsOptional() @IsString() client_id?: string;
  @ApiPropertyOptional({ example: '' }) @IsOptional() @IsString() client_secret?: string;
}

const isPasswordGrant = ({ grant_type }: TokenRequest) => (grant_type ?? 'password') === 'password';

export class TokenRequest extends OAuth2Extras {
  @ApiPropertyOptional({ enum: ['password', 'refresh_token'], example: 'password' })
  @IsOptional()
  @IsString()
  grant_type?: string;

  @ApiPropertyOptional({ example: 'ada' })
  @ValidateIf(isPasswordGrant)
  @IsString()
  username?: string;

  @ApiPropertyOptional({ example: 'correct horse battery staple', format: 'password' })
  @ValidateIf(isPasswordGrant)
  @IsString()
  password?: string;

  @ApiPropertyOptional({ description: 'With grant_type=refresh_token' })
  @ValidateIf(({ grant_type }: TokenRequest) => grant_type === 'refresh_token')
  @IsString()
  refresh_token?: string;
}

export class RefreshRequest extends OAuth2Extras {
  @ApiPropertyOptional({ enum: ['refresh_token'], example: 'refresh_token' })
  @IsOptional()
  @IsString()
  grant_type?: string;

  @ApiProperty({ example: 'llmr_...' })
  @IsTextUpTo(1_024)
  refresh_token: string;
}

export class TokenResponse {
  @ApiProperty({ example: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9...' }) access_token: string;
  @ApiProperty({ enum: ['bearer'], example: 'bearer' }) token_type: 'bearer';
  @ApiProperty({ example: 900, description: 'Seconds until the access token expires' }) expires_in: number;
  @ApiProperty({ example: 'llmr_...', description: 'Works once, at POST /auth/refresh' })
  refresh_token: string;
}
