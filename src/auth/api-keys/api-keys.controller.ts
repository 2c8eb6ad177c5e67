import { Body, Controller, Delete, Get, Header, HttpCode, Param, ParseUUIDPipe, Post } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { ApiProblem } from '../../common/api-problem.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { ApiKeysService } from './api-keys.service';
import { ApiKeyResponse, CreatedApiKeyResponse } from './dto/api-key-response.dto';
import { CreateApiKey } from './dto/create-api-key.dto';

@ApiTags('API keys')
@ApiBearerAuth('session')
@ApiProblem(401, 'invalid_token', 'The access token is missing, not valid or expired.')
@Controller('users/me/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  @Get()
  @ApiOperation({ summary: 'My API keys, newest first; the keys themselves are not shown' })
  @ApiOkResponse({ type: [ApiKeyResponse] })
  list(@CurrentPrincipal() principal: Principal): Promise<ApiKeyResponse[]> {
    return this.apiKeys.list(principal.userId);
  }

  @Post()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Make an API key for /v1; it is shown in this answer and never again' })
  @ApiCreatedResponse({ type: CreatedApiKeyResponse })
  @ApiProblem(400, 'invalid_request', 'expires_at must be a time in the future such as 2027-11-23T00:00:00Z')
  @ApiProblem(409, 'too_many_api_keys', 'An account can have 50 API keys; delete one that is no longer used.')
  create(
    @CurrentPrincipal() principal: Principal,
    @Body() dto: CreateApiKey,
  ): Promise<CreatedApiKeyResponse> {
    return this.apiKeys.create(principal.userId, dto);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an API key: refused everywhere within 5 seconds' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  revoke(@CurrentPrincipal() principal: Principal, @Param('id', ParseUUIDPipe) id: string): Promise<void> {
    return this.apiKeys.revoke(principal.userId, id);
  }
}
