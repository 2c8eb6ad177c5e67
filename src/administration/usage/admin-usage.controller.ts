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
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { wantsCsv } from '../../usage/csv-file';
import { AllUsageRecordsPage, AllUsageRecordsQuery } from './all-usage-records.dto';
import { AllUsageRecords } from './all-usage-records.service';
import { UsageReport, UsageReportQuery } from './usage-report.dto';
import { UsageReports } from './usage-reports.service';

const csvOr = (page: typeof UsageReport | typeof AllUsageRecordsPage) => ({
  description: 'A page, or all of it as CSV',
  content: {
    'application/json': { schema: { $ref: getSchemaPath(page) } },
    'text/csv': { schema: { type: 'string' } },
  },
});

@ApiTags('Administration: usage')
@ApiBearerAuth('session')
@Roles('admin')
@ApiProblem(400, 'invalid_request', 'from must not be after to.')
@ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
@ApiProblem(503, 'busy', 'Other reports are being added up at the moment; please repeat the request shortly.')
@Controller('admin/usage')
export class AdminUsageController {
  constructor(
    private readonly reports: UsageReports,
    private readonly records: AllUsageRecords,
  ) {}

  @Get()
  @Header('vary', 'accept')
  @ApiOperation({
    summary: 'What all users have used, by user, key, model or day',
    description:
      'At most 366 days. Days begin and end in the time zone of the gateway (LIMITS_TIME_ZONE). ' +
      'Pages as JSON, or all of it as CSV.',
  })
  @ApiExtraModels(UsageReport)
  @ApiOkResponse(csvOr(UsageReport))
  report(@Query() query: UsageReportQuery, @Req() request: Request): Promise<UsageReport | StreamableFile> {
    return this.reports[wantsCsv(query, request) ? 'csv' : 'page'](query);
  }

  @Get('records')
  @Header('vary', 'accept')
  @ApiOperation({
    summary: 'The requests of all users one by one, newest first',
    description: 'Pages as JSON, or all of it as CSV. Without a range: the last 366 days.',
  })
  @ApiExtraModels(AllUsageRecordsPage)
  @ApiOkResponse(csvOr(AllUsageRecordsPage))
  list(
    @Query() query: AllUsageRecordsQuery,
    @Req() request: Request,
  ): Promise<AllUsageRecordsPage | StreamableFile> {
    return this.records[wantsCsv(query, request) ? 'csv' : 'page'](query);
  }
}
