import { Body, Controller, Put } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Client, CurrentClient } from '../../auth/current-client.decorator';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { UuidParam } from '../../common/uuid-param.decorator';
import { AddsUpUsage } from './backfill-failures';
import { SetOwnTokenLimit, SetTokenCap } from './dto/set-token-limit.dto';
import { TokenLimit } from './dto/token-limit.dto';
import { TokenLimits } from './token-limits.service';

@ApiBearerAuth('session')
@Controller()
export class TokenLimitController {
  constructor(private readonly limits: TokenLimits) {}

  @Put('users/me/token-limit')
  @ApiTags('Usage and limits')
  @ApiOperation({
    summary: 'Set or remove my own token limit',
    description: 'Your own limit holds beside the cap: the smaller one counts. What is used stays used.',
  })
  @ApiOkResponse({ type: TokenLimit })
  @ApiProblem(
    400,
    'invalid_request',
    `token_limit must be a whole number of tokens from 0 to ${Number.MAX_SAFE_INTEGER}, or null for no limit`,
  )
  @ApiProblem(
    422,
    'limit_exceeds_cap',
    'token_limit is above your cap of 1000000 tokens; choose a limit up to that.',
  )
  setOwn(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @Body() change: SetOwnTokenLimit,
  ): Promise<TokenLimit> {
    return this.limits.setOwn({ principal, client }, change);
  }

  @Put('admin/users/:id/token-limit')
  @Roles('admin')
  @ApiTags('Administration: limits')
  @ApiOperation({
    summary: "Set or remove a user's cap",
    description:
      "Replaces the default cap of that window. The user's own limit stays and may still be smaller.",
  })
  @ApiOkResponse({ type: TokenLimit })
  @ApiProblem(404, 'not_found', 'There is no such user.')
  @AddsUpUsage()
  setCap(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @UuidParam('id') id: string,
    @Body() change: SetTokenCap,
  ): Promise<TokenLimit> {
    return this.limits.setCap({ principal, client }, id, change);
  }
}
