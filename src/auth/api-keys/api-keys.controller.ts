import { Body, Controller, Delete, Get, Header, HttpCode, Patch, Post } from '@nestjs/common';
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
import { OneFieldBody } from '../../common/one-field-body.decorator';
import type { Principal } from '../../common/principal';
import { TIME_AHEAD } from '../../common/time-ahead';
import { UuidParam } from '../../common/uuid-param.decorator';
import type { Actor } from '../audit-log';
import { CurrentActor } from '../current-actor.decorator';
import { ApiKeyRotation } from './api-key-rotation.service';
import { ApiKeysService } from './api-keys.service';
import { ApiKeyResponse, CreatedApiKeyResponse } from './dto/api-key-response.dto';
import { EXPIRY } from './dto/expiry.decorator';
import { ChangeApiKey } from './dto/change-api-key.dto';
import { CreateApiKey } from './dto/create-api-key.dto';
import { MAX_OVERLAP_SECONDS, RotateApiKey } from './dto/rotate-api-key.dto';

@ApiTags('API keys')
@ApiBearerAuth('session')
@ApiProblem(401, 'invalid_token', 'The access token is missing, not valid or expired.')
@Controller('users/me/api-keys')
export class ApiKeysController {
  constructor(
    private readonly apiKeys: ApiKeysService,
    private readonly rotation: ApiKeyRotation,
  ) {}

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
  @ApiProblem(400, 'invalid_request', EXPIRY)
  @ApiProblem(409, 'too_many_api_keys', 'An account can have 50 API keys; delete one that is no longer used.')
  create(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @Body() dto: CreateApiKey,
  ): Promise<CreatedApiKeyResponse> {
    return this.apiKeys.create(actor, userId, dto);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One of my API keys' })
  @ApiOkResponse({ type: ApiKeyResponse })
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  show(@CurrentPrincipal() { userId }: Principal, @UuidParam('id') keyId: string): Promise<ApiKeyResponse> {
    return this.apiKeys.get({ userId, keyId });
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Rename an API key, or change its expiry or its models',
    description: 'Holds everywhere within 5 seconds. What is left out stays as it is.',
  })
  @OneFieldBody(ChangeApiKey, {
    name: 'opencode on my laptop',
    expires_at: TIME_AHEAD,
    models: ['opencode-llm'],
  })
  @ApiOkResponse({ type: ApiKeyResponse })
  @ApiProblem(400, 'invalid_request', EXPIRY)
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  @ApiProblem(409, 'too_many_api_keys', 'An account can have 50 API keys; delete one that is no longer used.')
  change(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @UuidParam('id') keyId: string,
    @Body() change: ChangeApiKey,
  ): Promise<ApiKeyResponse> {
    return this.apiKeys.change(actor, { userId, keyId }, change);
  }

  @Post(':id/rotate')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Give an API key a new secret; it is shown in this answer and never again',
    description:
      'The key stays the same one: its limits, models, counters and usage go on. The old secret works as well for ' +
      'overlap_seconds, a day unless you choose; the one before that ends at once.',
  })
  @ApiOkResponse({ type: CreatedApiKeyResponse })
  @ApiProblem(
    400,
    'invalid_request',
    `overlap_seconds must be a whole number from 0 to ${MAX_OVERLAP_SECONDS}`,
  )
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  @ApiProblem(409, 'api_key_expired', 'This API key has expired; give it a later expires_at first.')
  rotate(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @UuidParam('id') keyId: string,
    @Body() dto: RotateApiKey,
  ): Promise<CreatedApiKeyResponse> {
    return this.rotation.rotate(actor, { userId, keyId }, dto);
  }

  @Delete(':id/previous-secret')
  @HttpCode(204)
  @ApiOperation({ summary: 'End the overlap of a rotation now: refused everywhere within 5 seconds' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  endOverlap(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @UuidParam('id') keyId: string,
  ): Promise<void> {
    return this.rotation.endOverlap(actor, { userId, keyId });
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an API key: refused everywhere within 5 seconds' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  revoke(
    @CurrentPrincipal() { userId }: Principal,
    @CurrentActor() actor: Actor,
    @UuidParam('id') keyId: string,
  ): Promise<void> {
    return this.apiKeys.revoke(actor, { userId, keyId });
  }
}
