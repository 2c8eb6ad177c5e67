import { Controller, Get, Query, UseInterceptors } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { ApiKeyOnly } from '../common/access.decorator';
import { ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { UsageQuery } from './dto/usage-query.dto';
import { KeyUsage } from './dto/usage-summary.dto';
import { RateLimitHeaders } from './rates/rate-limit-headers.interceptor';
import { UsageService } from './usage.service';

/** For who has a key and no password: a coding agent, or a person in front of one. */
@ApiTags('OpenAI-compatible')
@ApiSecurity('api-key')
@ApiKeyOnly()
@UseInterceptors(RateLimitHeaders)
@Controller('v1/usage')
export class KeyUsageController {
  constructor(private readonly usage: UsageService) {}

  @Get()
  @ApiOperation({
    summary: 'What this key and its owner have used and have left',
    description: 'At most 366 days. Every limit that a request with this key has to pass is in `windows`.',
  })
  @ApiOkResponse({ type: KeyUsage })
  @ApiProblem(
    400,
    'invalid_request',
    'from must be a date such as 2026-11-01 or a date-time such as 2026-11-01T00:00:00Z',
  )
  @ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
  show(@CurrentPrincipal() principal: Principal, @Query() query: UsageQuery): Promise<KeyUsage> {
    return this.usage.ofKey(principal.apiKeyId ?? '', principal.userId, query);
  }
}
