import { Controller, Delete, Get, HttpCode } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeyResponse } from '../../auth/api-keys/dto/api-key-response.dto';
import type { Actor } from '../../auth/audit-log';
import { CurrentActor } from '../../auth/current-actor.decorator';
import { SessionResponse } from '../../auth/dto/session-response.dto';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { UuidParam } from '../../common/uuid-param.decorator';
import { UserAccess } from './user-access.service';

@ApiTags('Administration')
@ApiBearerAuth('session')
@Roles('admin')
@ApiProblem(404, 'not_found', 'There is no such user.')
@Controller('admin/users/:id')
export class UserAccessController {
  constructor(private readonly access: UserAccess) {}

  @Get('sessions')
  @ApiOperation({ summary: 'Where a user is logged in, last used first' })
  @ApiOkResponse({ type: [SessionResponse] })
  listSessions(
    @CurrentPrincipal() { sessionId }: Principal,
    @UuidParam('id') id: string,
  ): Promise<SessionResponse[]> {
    return this.access.listSessions(id, sessionId);
  }

  @Delete('sessions')
  @HttpCode(204)
  @ApiOperation({ summary: 'End all sessions of a user, at once' })
  @ApiNoContentResponse()
  endSessions(@CurrentActor() actor: Actor, @UuidParam('id') id: string): Promise<void> {
    return this.access.endSessions(actor, id);
  }

  @Get('api-keys')
  @ApiOperation({ summary: "A user's API keys, newest first; the keys themselves are not shown" })
  @ApiOkResponse({ type: [ApiKeyResponse] })
  listKeys(@UuidParam('id') id: string): Promise<ApiKeyResponse[]> {
    return this.access.listKeys(id);
  }

  @Delete('api-keys')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke all API keys of a user: refused everywhere within 5 seconds' })
  @ApiNoContentResponse()
  revokeKeys(@CurrentActor() actor: Actor, @UuidParam('id') id: string): Promise<void> {
    return this.access.revokeKeys(actor, id);
  }

  @Delete('api-keys/:key_id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke one API key of a user: refused everywhere within 5 seconds' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such API key.')
  revokeKey(
    @CurrentActor() actor: Actor,
    @UuidParam('id') id: string,
    @UuidParam('key_id') keyId: string,
  ): Promise<void> {
    return this.access.revokeKeys(actor, id, keyId);
  }
}
