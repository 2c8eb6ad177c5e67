import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { type Client, CurrentClient } from '../current-client.decorator';
import { ResetPassword } from './dto/password-reset.dto';
import { PasswordResets } from './password-resets.service';

@ApiTags('Auth')
@Controller('auth/password-reset')
export class PasswordResetController {
  constructor(private readonly resets: PasswordResets) {}

  @Post()
  @Public()
  @HttpCode(204)
  @ApiOperation({ summary: 'Set a password with a link from an administrator; all my sessions end' })
  @ApiNoContentResponse()
  @ApiProblem(400, 'invalid_reset_token', 'This link is not valid (any more).')
  @ApiProblem(400, 'weak_password', 'new_password must have at least 12 characters')
  reset(@Body() dto: ResetPassword, @CurrentClient() client: Client): Promise<void> {
    return this.resets.use(dto, client);
  }
}
