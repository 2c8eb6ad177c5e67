import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { AuditLogReader } from './audit-log-reader.service';
import { AuditLogPage, AuditLogQuery } from './audit-log.dto';

@ApiTags('Administration: operation')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/audit-log')
export class AuditLogController {
  constructor(private readonly auditLog: AuditLogReader) {}

  @Get()
  @ApiOperation({
    summary: 'Who changed what, newest first unless sorted otherwise',
    description: 'Nothing in it can be changed or deleted.',
  })
  @ApiOkResponse({ type: AuditLogPage })
  @ApiProblem(400, 'invalid_request', 'from must not be after to.')
  @ApiProblem(422, 'range_too_long', 'The range is longer than 366 days; ask for it in parts.')
  list(@Query() query: AuditLogQuery): Promise<AuditLogPage> {
    return this.auditLog.page(query);
  }
}
