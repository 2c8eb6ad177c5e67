import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { UuidParam } from '../common/uuid-param.decorator';
import { UsageQuery } from './dto/usage-query.dto';
import { KeyUsage } from './dto/usage-summary.dto';
import { UsageService } from './usage.service';

@ApiTags('API keys')
@ApiBearerAuth('session')
@Controller('users/me/api-keys/:id/usage')
export class OwnKeyUsageController {
  constructor(private readonly usage: UsageService) {}

  @Get()
  @ApiOperation({
    summary: 'What one of my API keys has used and has left',
    description: 'As GET /v1/usage shows it to the key itself; of a revoked key as well.',
  })
  @ApiOkResponse({ type: KeyUsage })
  @ApiProblem(
    400,
    'invalid_request',
    'from must be a date such as 2026-11-01 or a date-time such as 2026-11-01T00:00:00Z',
  )
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  @ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
  show(
    @CurrentPrincipal() { userId }: Principal,
    @UuidParam('id') keyId: string,
    @Query() query: UsageQuery,
  ): Promise<KeyUsage> {
    return this.usage.ofOwnKey({ userId, keyId }, query);
  }
}
