import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Roles } from '../common/access.decorator';
import { AdminModelList } from './admin-models.dto';
import { ModelsService } from './models.service';
import { NeedsModels } from './needs-models.decorator';

@ApiTags('Administration: operation')
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
  @NeedsModels()
  list(): Promise<AdminModelList> {
    return this.models.listAll();
  }
}
