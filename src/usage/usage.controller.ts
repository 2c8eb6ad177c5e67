import { Controller, Get, Header, Query, Req, StreamableFile } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request } from 'express';
import { ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { wantsCsv } from './csv-file';
import { UsageQuery } from './dto/usage-query.dto';
import { UsageRecordsPage, UsageRecordsQuery } from './dto/usage-records.dto';
import { UsageSummary } from './dto/usage-summary.dto';
import { UsageRecords } from './usage-records.service';
import { UsageService } from './usage.service';

@ApiTags('Usage and limits')
@ApiBearerAuth('session')
@Controller('users/usage')
export class UsageController {
  constructor(
    private readonly usage: UsageService,
    private readonly records: UsageRecords,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'What I used, by day, model and key, and what is left',
    description: 'At most 366 days. Days begin and end in the time zone of the gateway (LIMITS_TIME_ZONE).',
  })
  @ApiOkResponse({ type: UsageSummary })
  @ApiProblem(
    400,
    'invalid_request',
    'from must be a date such as 2026-11-01 or a date-time such as 2026-11-01T00:00:00Z',
  )
  @ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
  summarize(@CurrentPrincipal() principal: Principal, @Query() query: UsageQuery): Promise<UsageSummary> {
    return this.usage.summarize(principal.userId, query);
  }

  @Get('records')
  @Header('vary', 'accept')
  @ApiOperation({
    summary: 'My requests one by one, newest first',
    description:
      'Pages as JSON, or all of it as CSV. Without from and to, all that is kept; with them, at most 366 days.',
  })
  @ApiExtraModels(UsageRecordsPage)
  @ApiOkResponse({
    description: 'A page, or all of them as CSV',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(UsageRecordsPage) } },
      'text/csv': { schema: { type: 'string' } },
    },
  })
  @ApiProblem(400, 'invalid_request', 'cursor must be the next_cursor of an earlier page.')
  @ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
  list(
    @CurrentPrincipal() principal: Principal,
    @Query() query: UsageRecordsQuery,
    @Req() request: Request,
  ): Promise<UsageRecordsPage | StreamableFile> {
    return this.records[wantsCsv(query, request) ? 'csv' : 'page'](principal.userId, query);
  }
}
