import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Roles } from '../common/access.decorator';
import { ApiProblem } from '../common/api-problem.decorator';
import { AdminModelList } from './admin-models.dto';
import { ModelsService } from './models.service';

@ApiTags('Administration')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/models')
export class AdminModelsController {
  constructor(private readonly models: ModelsService) {}

  @Get()
  @ApiOperation({
    summary: 'All models: the names clients use, and what is behind them',
    description: 'What vLLM serves, and the aliases of MODEL_ALIASES; neither can be changed here.',
  })
  @ApiOkResponse({ type: AdminModelList })
  @ApiProblem(502, 'upstream_unreachable', 'The model server cannot be reached. Retry in a moment.')
  list(): Promise<AdminModelList> {
    return this.models.listAll();
  }
}
