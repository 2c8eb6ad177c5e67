import { Controller, Get, Param, UseInterceptors } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { ApiKeyOnly } from '../common/access.decorator';
import { ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { RateLimitHeaders } from '../usage/rates/rate-limit-headers.interceptor';
import { ModelCard, ModelList } from './model-card';
import { ModelsService } from './models.service';
import { NeedsModels } from './needs-models.decorator';

@ApiTags('OpenAI-compatible')
@ApiSecurity('api-key')
@ApiKeyOnly()
@UseInterceptors(RateLimitHeaders)
@NeedsModels()
@Controller('v1/models')
export class ModelsController {
  constructor(private readonly models: ModelsService) {}

  @Get()
  @ApiOperation({ summary: 'The models this key may use' })
  @ApiOkResponse({ type: ModelList })
  list(@CurrentPrincipal() principal: Principal): Promise<ModelList> {
    return this.models.list(principal);
  }

  @Get('*id')
  @ApiOperation({ summary: 'One model' })
  @ApiParam({ name: 'id', example: 'opencode-llm', description: 'May hold slashes' })
  @ApiOkResponse({ type: ModelCard })
  @ApiProblem(
    404,
    'model_not_found',
    'The model does not exist or this key may not use it. GET /v1/models lists what it may use.',
  )
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string | string[]): Promise<ModelCard> {
    return this.models.get(principal, Array.isArray(id) ? id.join('/') : id);
  }
}
