import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { Env } from '../../config/env';
import { type Client, CurrentClient } from '../current-client.decorator';
import { ServesPage } from '../pages/page';
import { CheckPasswordLink, ResetPassword } from './dto/password-reset.dto';
import { PASSWORD_PAGE } from './password-page';
import { PasswordResets } from './password-resets.service';

@ApiTags('Auth')
@Controller('auth/password-reset')
export class PasswordResetController {
  constructor(
    private readonly resets: PasswordResets,
    private readonly env: Env,
  ) {}

  @Get()
  @Public()
  @ServesPage(PASSWORD_PAGE)
  @ApiOperation({ summary: 'The page a password link leads to' })
  page(): string {
    return PASSWORD_PAGE.html(this.env);
  }

  @Post()
  @Public()
  @HttpCode(204)
  @ApiOperation({ summary: 'Set a password with a link from an administrator; all my sessions end' })
  @ApiNoContentResponse()
  @ApiProblem(400, 'invalid_reset_token', 'This link is not valid (any more).')
  @ApiProblem(400, 'weak_password', 'new_password must have at least 12 characters')
  @ApiProblem(
    503,
    'busy',
    'Too many passwords are being checked at the moment; please repeat the request shortly.',
  )
  reset(@Body() dto: ResetPassword, @CurrentClient() client: Client): Promise<void> {
    return this.resets.use(dto, client);
  }

  @Post('check')
  @Public()
  @HttpCode(204)
  @ApiOperation({ summary: 'Whether a password link still works; this does not use it' })
  @ApiNoContentResponse()
  @ApiProblem(400, 'invalid_reset_token', 'This link is not valid (any more).')
  @ApiProblem(503, 'busy', 'Too many logins are under way at the moment; please repeat the request shortly.')
  check(@Body() dto: CheckPasswordLink): Promise<void> {
    return this.resets.check(dto);
  }
}
