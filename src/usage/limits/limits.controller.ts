import { Body, Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { type Client, CurrentClient } from '../../auth/current-client.decorator';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { UuidParam } from '../../common/uuid-param.decorator';
import { AddsUpUsage } from './backfill-failures';
import { DefaultLimits } from './default-limits.service';
import {
  DefaultLimit,
  DefaultLimitChanged,
  DefaultLimitList,
  LimitView,
  PUT_LIMIT_EXAMPLES,
  PutLimit,
  TemporaryAmount,
} from './dto/limit.dto';
import { LimitsPage, LimitsQuery } from './dto/limits-query.dto';
import { LimitDirectory } from './limit-directory.service';
import { Limits } from './limits.service';
import { RAISE_END } from './raise-end';

@ApiTags('Administration: limits')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/limits')
export class LimitsController {
  constructor(
    private readonly directory: LimitDirectory,
    private readonly limits: Limits,
    private readonly defaults: DefaultLimits,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Limits of everyone, of users and of keys, page by page' })
  @ApiOkResponse({ type: LimitsPage })
  @ApiProblem(400, 'invalid_request', 'limit must be a whole number from 1 to 100')
  list(@Query() query: LimitsQuery): Promise<LimitsPage> {
    return this.directory.list(query);
  }

  @Put()
  @ApiOperation({
    summary: 'Set a limit',
    description:
      'One per subject, metric, window and model; it takes the place of the default one, and ends a temporary raise. ' +
      'What has been used in the window already counts. Every limit that applies to a request must have room.',
  })
  @ApiBody({ type: PutLimit, examples: PUT_LIMIT_EXAMPLES })
  @ApiOkResponse({ type: LimitView })
  @ApiProblem(400, 'invalid_request', `amount must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`)
  @ApiProblem(404, 'not_found', 'There is no such user.')
  @AddsUpUsage()
  put(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @Body() limit: PutLimit,
  ): Promise<LimitView> {
    return this.limits.put({ principal, client }, limit);
  }

  @Get('default')
  @ApiOperation({
    summary: 'What new users get',
    description:
      'What an administrator has set with PUT, and of the rest what DEFAULT_TOKEN_LIMIT, DEFAULT_REQUESTS_PER_MINUTE ' +
      'and DEFAULT_CONCURRENT_REQUESTS say.',
  })
  @ApiOkResponse({ type: DefaultLimitList })
  listDefaults(): Promise<DefaultLimitList> {
    return this.defaults.list();
  }

  @Put('default')
  @ApiOperation({
    summary: 'Set or remove one default of all users, those to come included',
    description:
      'Users with a limit of an administrator there keep it, those whom an administrator gave none (null) have none ' +
      'still, and temporary raises last until their end, also where the default is taken away. It takes the place of ' +
      'what DEFAULT_TOKEN_LIMIT, DEFAULT_REQUESTS_PER_MINUTE and DEFAULT_CONCURRENT_REQUESTS say.',
  })
  @ApiOkResponse({ type: DefaultLimitChanged })
  @ApiProblem(
    400,
    'invalid_request',
    'metric must be one of the following values: tokens, requests, concurrent_requests',
  )
  @AddsUpUsage()
  changeDefault(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @Body() change: DefaultLimit,
  ): Promise<DefaultLimitChanged> {
    return this.defaults.change({ principal, client }, change);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One limit' })
  @ApiOkResponse({ type: LimitView })
  @ApiProblem(404, 'not_found', 'There is no such limit.')
  get(@UuidParam('id') id: string): Promise<LimitView> {
    return this.directory.get(id);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a limit; what was counted stays counted' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such limit.')
  remove(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @UuidParam('id') id: string,
  ): Promise<void> {
    return this.limits.remove({ principal, client }, id);
  }

  @Put(':id/temporary')
  @ApiOperation({ summary: 'Raise (or lower) a limit until a point in time' })
  @ApiOkResponse({ type: LimitView })
  @ApiProblem(400, 'invalid_request', RAISE_END)
  @ApiProblem(404, 'not_found', 'There is no such limit.')
  raise(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @UuidParam('id') id: string,
    @Body() temporary: TemporaryAmount,
  ): Promise<LimitView> {
    return this.limits.raise({ principal, client }, id, temporary);
  }

  @Delete(':id/temporary')
  @ApiOperation({ summary: 'End a temporary raise now' })
  @ApiOkResponse({ type: LimitView })
  @ApiProblem(404, 'not_found', 'There is no such limit.')
  endRaise(
    @CurrentPrincipal() principal: Principal,
    @CurrentClient() client: Client,
    @UuidParam('id') id: string,
  ): Promise<LimitView> {
    return this.limits.endRaise({ principal, client }, id);
  }
}
