import { Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { UuidParam } from '../common/uuid-param.decorator';
import { SessionResponse } from './dto/session-response.dto';
import { SessionsService } from './sessions.service';

@ApiTags('Auth')
@ApiBearerAuth('session')
@ApiProblem(401, 'invalid_token', 'The access token is missing, not valid or expired.')
@Controller('auth')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Post('logout')
  @HttpCode(204)
  @ApiOperation({ summary: 'End this session: its access and refresh tokens stop working at once' })
  @ApiNoContentResponse()
  logOut(@CurrentPrincipal() principal: Principal): Promise<void> {
    return this.sessions.logOut(principal);
  }

  @Get('sessions')
  @ApiOperation({ summary: 'Where I am logged in, last used first' })
  @ApiOkResponse({ type: [SessionResponse] })
  list(@CurrentPrincipal() principal: Principal): Promise<SessionResponse[]> {
    return this.sessions.list(principal);
  }

  @Delete('sessions')
  @HttpCode(204)
  @ApiOperation({
    summary: 'End all my sessions, this one included',
    description: 'Their access and refresh tokens stop working at once, everywhere. API keys go on working.',
  })
  @ApiNoContentResponse()
  endAll(@CurrentPrincipal() principal: Principal): Promise<void> {
    return this.sessions.logOutEverywhere(principal);
  }

  @Delete('sessions/:id')
  @HttpCode(204)
  @ApiOperation({ summary: 'End one of my sessions' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such session.')
  end(@CurrentPrincipal() principal: Principal, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.end(principal.userId, id);
  }
}
