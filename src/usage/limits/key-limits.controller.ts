import { Body, Controller, Delete, Get, HttpCode, Put } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { KeyLimit, KeyLimitResponse } from '../../auth/api-keys/dto/key-limit.dto';
import type { Actor } from '../../auth/audit-log';
import { CurrentActor } from '../../auth/current-actor.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { UuidParam } from '../../common/uuid-param.decorator';
import { AddsUpUsage } from './backfill-failures';
import { KeyLimits } from './key-limits.service';

@ApiTags('API keys')
@ApiBearerAuth('session')
@ApiProblem(404, 'not_found', 'There is no such API key.')
@Controller('users/me/api-keys/:id/limits')
export class KeyLimitsController {
  constructor(private readonly limits: KeyLimits) {}

  @Get()
  @ApiOperation({ summary: 'The limits of one of my API keys, those of administrators included' })
  @ApiOkResponse({ type: [KeyLimitResponse] })
  list(
    @CurrentPrincipal() { userId }: Principal,
    @UuidParam('id') keyId: string,
  ): Promise<KeyLimitResponse[]> {
    return this.limits.list({ userId, keyId });
  }

  @Put()
  @ApiOperation({
    summary: 'Set a limit on one of my API keys',
    description:
      'One per metric, window and model. What the key has used in the window already counts. My own limits hold as ' +
      'well: one above them has no effect.',
  })
  @ApiOkResponse({ type: KeyLimitResponse })
  @ApiProblem(400, 'invalid_request', `amount must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`)
  @ApiProblem(409, 'too_many_limits', 'This API key has limits on too many windows and models.')
  @AddsUpUsage()
  put(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @UuidParam('id') keyId: string,
    @Body() limit: KeyLimit,
  ): Promise<KeyLimitResponse> {
    return this.limits.put(actor, { userId, keyId }, limit);
  }

  @Delete(':limit_id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a limit that I set on an API key; what was counted stays counted' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'You have set no such limit on this API key.')
  remove(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @UuidParam('id') keyId: string,
    @UuidParam('limit_id') limitId: string,
  ): Promise<void> {
    return this.limits.remove(actor, { userId, keyId }, limitId);
  }
}
