import { Body, Controller, Get, Header, HttpCode, Post } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiConsumes,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Public } from '../common/access.decorator';
import { ApiOAuthError, ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { Env } from '../config/env';
import { AuthService } from './auth.service';
import { CountedByItself } from './changes/counted-by-itself.decorator';
import type { Client } from './current-client.decorator';
import { CurrentClient } from './current-client.decorator';
import { ChangePassword } from './dto/change-password.dto';
import { CheckInvitation, Register, RegisteredResponse } from './dto/register.dto';
import { RefreshRequest, TokenRequest, TokenResponse } from './dto/token.dto';
import { INVITATION_PAGE } from './invitations/invitation-page';
import { ServesPage } from './pages/page';
import { RegistrationService } from './registration.service';

const FORM_OR_JSON = ['application/x-www-form-urlencoded', 'application/json'];

@ApiTags('Auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly registration: RegistrationService,
    private readonly env: Env,
  ) {}

  @Get('register')
  @Public()
  @ServesPage(INVITATION_PAGE)
  @ApiOperation({ summary: 'The page the link of an invitation leads to' })
  registrationPage(): string {
    return INVITATION_PAGE.html(this.env);
  }

  @Post('register')
  @Public()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Make an account; the answer carries a first API key, shown once' })
  @ApiCreatedResponse({ type: RegisteredResponse })
  @ApiProblem(400, 'weak_password', 'password must have at least 12 characters')
  @ApiProblem(403, 'registration_closed', 'Registration is closed here; ask an administrator for an account.')
  @ApiProblem(403, 'invitation_required', 'The invitation is missing or not valid (any more).')
  @ApiProblem(409, 'username_taken', 'This username is already taken; choose another.')
  @ApiProblem(422, 'limit_exceeds_cap', 'token_limit is above the cap of 1000000 tokens a month')
  @ApiProblem(
    429,
    'rate_limit_exceeded',
    'Too many attempts to register from your network; try again in 15 minutes.',
  )
  @ApiProblem(
    503,
    'busy',
    'Too many passwords are being checked at the moment; please repeat the request shortly.',
  )
  register(@Body() dto: Register, @CurrentClient() client: Client): Promise<RegisteredResponse> {
    return this.registration.register(dto, client);
  }

  @Post('register/check')
  @Public()
  @HttpCode(204)
  @ApiOperation({ summary: 'Whether an invitation still works; this does not use it' })
  @ApiNoContentResponse()
  @ApiProblem(403, 'registration_closed', 'Registration is closed here; ask an administrator for an account.')
  @ApiProblem(403, 'invitation_required', 'The invitation is missing or not valid (any more).')
  @ApiProblem(
    429,
    'rate_limit_exceeded',
    'Too many attempts to register from your network; try again in 15 minutes.',
  )
  @ApiProblem(503, 'busy', 'Too many logins are under way at the moment; please repeat the request shortly.')
  checkInvitation(@Body() dto: CheckInvitation, @CurrentClient() client: Client): Promise<void> {
    return this.registration.check(dto, client);
  }

  @Post('token')
  @Public()
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Header('pragma', 'no-cache')
  @ApiConsumes(...FORM_OR_JSON)
  @ApiOperation({ summary: 'Log in (OAuth2 password grant)' })
  @ApiOkResponse({ type: TokenResponse })
  @ApiOAuthError(400, 'unsupported_grant_type', 'grant_type must be password or refresh_token.')
  @ApiOAuthError(401, 'invalid_grant', 'The username or the password is wrong.')
  @ApiOAuthError(
    429,
    'rate_limit_exceeded',
    'Too many wrong passwords from your network; try again in 15 minutes.',
  )
  @ApiOAuthError(
    503,
    'busy',
    'Too many passwords are being checked at the moment; please repeat the request shortly.',
  )
  token(@Body() request: TokenRequest, @CurrentClient() client: Client): Promise<TokenResponse> {
    return this.auth.token(request, client);
  }

  @Post('refresh')
  @Public()
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Header('pragma', 'no-cache')
  @ApiConsumes(...FORM_OR_JSON)
  @ApiOperation({ summary: 'Exchange a refresh token for new tokens; each refresh token works once' })
  @ApiOkResponse({ type: TokenResponse })
  @ApiOAuthError(400, 'unsupported_grant_type', 'grant_type must be refresh_token here.')
  @ApiOAuthError(401, 'invalid_grant', 'This refresh token is not valid (any more): log in again.')
  @ApiOAuthError(
    503,
    'busy',
    'Too many logins are under way at the moment; please repeat the request shortly.',
  )
  refresh(@Body() request: RefreshRequest, @CurrentClient() client: Client): Promise<TokenResponse> {
    return this.auth.refresh(request, client);
  }

  @Post('password')
  @CountedByItself()
  @HttpCode(204)
  @ApiBearerAuth('session')
  @ApiOperation({ summary: 'Change my password; my other sessions end' })
  @ApiNoContentResponse()
  @ApiProblem(400, 'weak_password', 'new_password must have at least 12 characters')
  @ApiProblem(400, 'wrong_password', 'current_password is not the password of this account.')
  @ApiProblem(401, 'invalid_token', 'The access token is missing, not valid or expired.')
  @ApiProblem(
    503,
    'busy',
    'Too many passwords are being checked at the moment; please repeat the request shortly.',
  )
  changePassword(
    @CurrentPrincipal() principal: Principal,
    @Body() dto: ChangePassword,
    @CurrentClient() client: Client,
  ): Promise<void> {
    return this.auth.changePassword(principal, dto, client);
  }
}
