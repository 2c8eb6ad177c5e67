import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { UuidParam } from '../../common/uuid-param.decorator';
import { UsageQuery } from '../../usage/dto/usage-query.dto';
import { KeyUsage, UsageSummary } from '../../usage/dto/usage-summary.dto';
import { UsageService } from '../../usage/usage.service';
import { UsersService } from '../../users/users.service';

/** What stands in a user's way, as they see it themselves: whoever helps them has to see the same. */
@ApiTags('Administration: usage')
@ApiBearerAuth('session')
@Roles('admin')
@ApiProblem(
  400,
  'invalid_request',
  'from must be a date such as 2026-11-01 or a date-time such as 2026-11-01T00:00:00Z',
)
@ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
@Controller('admin/users/:id')
export class UserUsageController {
  constructor(
    private readonly users: UsersService,
    private readonly usage: UsageService,
  ) {}

  @Get('usage')
  @ApiOperation({
    summary: 'What a user has used and has left',
    description: 'As GET /users/usage shows it to them: every limit they are under is in `windows`.',
  })
  @ApiOkResponse({ type: UsageSummary })
  @ApiProblem(404, 'not_found', 'There is no such user.')
  async ofUser(@UuidParam('id') id: string, @Query() query: UsageQuery): Promise<UsageSummary> {
    await this.users.getById(id);
    return this.usage.summarize(id, query);
  }

  @Get('api-keys/:key_id/usage')
  @ApiOperation({
    summary: 'What one API key of a user has used and has left',
    description: 'As GET /v1/usage shows it to the key itself; of a revoked key as well.',
  })
  @ApiOkResponse({ type: KeyUsage })
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  async ofKey(
    @UuidParam('id') id: string,
    @UuidParam('key_id') keyId: string,
    @Query() query: UsageQuery,
  ): Promise<KeyUsage> {
    await this.users.getById(id);
    return this.usage.ofOwnKey({ userId: id, keyId }, query);
  }
}
