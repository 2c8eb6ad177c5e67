import { Body, Controller, Delete, Get, Header, HttpCode, Post, Query } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { Actor } from '../../auth/audit-log';
import { CurrentActor } from '../../auth/current-actor.decorator';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { UuidParam } from '../../common/uuid-param.decorator';
import {
  CreatedInvitationResponse,
  CreateInvitation,
  InvitationResponse,
  InvitationsPage,
  InvitationsQuery,
} from './invitation.dto';
import { InvitationAdministration } from './invitation-administration.service';
import { InvitationDirectory } from './invitation-directory.service';

@ApiTags('Administration')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/invitations')
export class InvitationsController {
  constructor(
    private readonly directory: InvitationDirectory,
    private readonly administration: InvitationAdministration,
  ) {}

  @Get()
  @ApiOperation({ summary: 'The invitations, page by page, newest first unless sorted otherwise' })
  @ApiOkResponse({ type: InvitationsPage })
  @ApiProblem(400, 'invalid_request', 'limit must be a whole number from 1 to 100')
  list(@Query() query: InvitationsQuery): Promise<InvitationsPage> {
    return this.directory.list(query);
  }

  @Post()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Invite somebody to make an account',
    description:
      'The answer carries a link to a page on which the invited person makes the account, and its token, for ' +
      'POST /auth/register. Both are shown once, and work once.',
  })
  @ApiCreatedResponse({ type: CreatedInvitationResponse })
  @ApiProblem(400, 'invalid_request', 'expires_in_days must be a whole number from 1 to 90')
  @ApiProblem(
    409,
    'registration_closed',
    'REGISTRATION=closed accepts no invitation: set it to invite, or make the account with POST /admin/users.',
  )
  create(@CurrentActor() actor: Actor, @Body() dto: CreateInvitation): Promise<CreatedInvitationResponse> {
    return this.administration.create(actor, dto);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One invitation, and who came with it' })
  @ApiOkResponse({ type: InvitationResponse })
  @ApiProblem(404, 'not_found', 'There is no such invitation.')
  show(@UuidParam('id') id: string): Promise<InvitationResponse> {
    return this.directory.get(id);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an invitation: nobody can use it any more' })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such invitation.')
  @ApiProblem(409, 'invitation_used', 'This invitation has been used; used_by names the account.')
  revoke(@CurrentActor() actor: Actor, @UuidParam('id') id: string): Promise<void> {
    return this.administration.revoke(actor, id);
  }
}
