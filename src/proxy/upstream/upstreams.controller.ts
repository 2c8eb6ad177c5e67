import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Roles } from '../../common/access.decorator';
import { UpstreamStates } from './upstream-states.service';
import { UpstreamList } from './upstream.dto';

@ApiTags('Administration: operation')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/upstreams')
export class UpstreamsController {
  constructor(private readonly upstreams: UpstreamStates) {}

  @Get()
  @ApiOperation({
    summary: 'Where vLLM is, whether it answers, and how busy it is',
    description:
      'A row for each server of VLLM_BASE_URL, as this replica sees it now. They cannot be changed here.',
  })
  @ApiOkResponse({ type: UpstreamList })
  list(): Promise<UpstreamList> {
    return this.upstreams.list();
  }
}
