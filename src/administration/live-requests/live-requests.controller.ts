import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../auth/audit-log';
import { CurrentActor } from '../../auth/current-actor.decorator';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { UuidParam } from '../../common/uuid-param.decorator';
import { LiveRequestEnding } from './live-request-ending.service';
import { LiveRequestList } from './live-request-list.service';
import { LiveRequestsPage, LiveRequestsQuery } from './live-requests.dto';

@ApiTags('Administration: operation')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/live-requests')
export class LiveRequestsController {
  constructor(
    private readonly live: LiveRequestList,
    private readonly ending: LiveRequestEnding,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'What runs at this moment, on all replicas, newest first',
    description: 'Tokens are those of the last count, which each process writes every few seconds.',
  })
  @ApiOkResponse({ type: LiveRequestsPage })
  @ApiProblem(400, 'invalid_request', 'limit must be a whole number from 1 to 100')
  list(@Query() query: LiveRequestsQuery): Promise<LiveRequestsPage> {
    return this.live.page(query);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'End a running request, within 5 seconds',
    description:
      'On whichever replica it runs: vLLM is stopped, what was counted is billed, and the client reads an error ' +
      'event (code 403) and `[DONE]`, or 403 `request_ended` when nothing has been answered yet.',
  })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such request under way.')
  end(@CurrentActor() actor: Actor, @UuidParam('id') id: string): Promise<void> {
    return this.ending.end(actor, id);
  }
}
