import { Body, Controller, Delete, Get, HttpCode, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Client, CurrentClient } from '../../auth/current-client.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { AccountExport } from './dto/account-export.dto';
import { DeleteAccount } from './dto/delete-account.dto';
import { OwnAccount } from './own-account.service';

const DOWNLOAD = { type: 'application/json', disposition: 'attachment; filename="account-export.json"' };

@ApiTags('Account')
@ApiBearerAuth('session')
@Controller('users/me')
export class OwnAccountController {
  constructor(private readonly account: OwnAccount) {}

  @Get('export')
  @ApiOperation({
    summary: 'Everything kept about me, as one JSON download',
    description:
      'Profile, sessions, API keys, limits, audit log and usage. Passwords, keys and tokens are not in it: ' +
      'only hashes of them are kept. Prompts and answers are not kept at all.',
  })
  @ApiOkResponse({ type: AccountExport })
  async export(@CurrentPrincipal() principal: Principal): Promise<StreamableFile> {
    return new StreamableFile(await this.account.export(principal.userId), DOWNLOAD);
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({
    summary: 'Delete my account',
    description:
      'Name, e-mail address, password, sessions and API keys go; what was used stays in the ledger under an id ' +
      'that leads to nobody. The username is free again. There is no way back.',
  })
  @ApiNoContentResponse()
  @ApiProblem(400, 'wrong_password', 'current_password is not the password of this account.')
  @ApiProblem(
    409,
    'last_admin',
    'This is the last active administrator who has a password; make somebody else one first.',
  )
  @ApiProblem(429, 'rate_limit_exceeded', 'Too many wrong passwords from this address.')
  @ApiProblem(
    503,
    'busy',
    'Too many passwords are being checked at the moment; please repeat the request shortly.',
  )
  delete(
    @CurrentPrincipal() principal: Principal,
    @Body() dto: DeleteAccount,
    @CurrentClient() client: Client,
  ): Promise<void> {
    return this.account.delete(principal.userId, dto, client);
  }
}
