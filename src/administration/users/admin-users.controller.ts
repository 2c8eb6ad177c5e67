import { Body, Controller, Delete, Get, Header, HttpCode, Patch, Post, Query } from '@nestjs/common';
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
import { PasswordResetLink } from '../../auth/password-reset/dto/password-reset.dto';
import { Roles } from '../../common/access.decorator';
import { ApiProblem } from '../../common/api-problem.decorator';
import { OneFieldBody } from '../../common/one-field-body.decorator';
import { UuidParam } from '../../common/uuid-param.decorator';
import { ChangeUser } from './dto/change-user.dto';
import { CreatedUserResponse, CreateUser } from './dto/create-user.dto';
import { AdminUserResponse, UsersPage, UsersQuery } from './dto/users-query.dto';
import { UserAdministration } from './user-administration.service';
import { UserDirectory } from './user-directory.service';

@ApiTags('Administration')
@ApiBearerAuth('session')
@Roles('admin')
@Controller('admin/users')
export class AdminUsersController {
  constructor(
    private readonly directory: UserDirectory,
    private readonly administration: UserAdministration,
  ) {}

  @Get()
  @ApiOperation({ summary: 'The accounts, page by page' })
  @ApiOkResponse({ type: UsersPage })
  @ApiProblem(400, 'invalid_request', 'limit must be a whole number from 1 to 100')
  list(@Query() query: UsersQuery): Promise<UsersPage> {
    return this.directory.list(query);
  }

  @Post()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Make an account for somebody',
    description:
      'The answer carries a first API key and, when no password is given, a link with which the user sets one. ' +
      'Both are shown once.',
  })
  @ApiCreatedResponse({ type: CreatedUserResponse })
  @ApiProblem(400, 'weak_password', 'password must have at least 12 characters')
  @ApiProblem(409, 'username_taken', 'This username is already taken; choose another.')
  @ApiProblem(
    503,
    'busy',
    'Too many passwords are being checked at the moment; please repeat the request shortly.',
  )
  create(@CurrentActor() actor: Actor, @Body() dto: CreateUser): Promise<CreatedUserResponse> {
    return this.administration.create(actor, dto);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One account' })
  @ApiOkResponse({ type: AdminUserResponse })
  @ApiProblem(404, 'not_found', 'There is no such user.')
  show(@UuidParam('id') id: string): Promise<AdminUserResponse> {
    return this.directory.get(id);
  }

  @Patch(':id')
  @ApiOperation({
    summary: "Change a user's role, status, name or e-mail address",
    description:
      'A new role ends the sessions of the user; disabling refuses sessions and API keys within 5 seconds.',
  })
  @OneFieldBody(ChangeUser, {
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    role: 'user',
    status: 'active',
  })
  @ApiOkResponse({ type: AdminUserResponse })
  @ApiProblem(404, 'not_found', 'There is no such user.')
  @ApiProblem(
    409,
    'last_admin',
    'This is the last active administrator who has a password; make somebody else one first.',
  )
  change(
    @CurrentActor() actor: Actor,
    @UuidParam('id') id: string,
    @Body() change: ChangeUser,
  ): Promise<AdminUserResponse> {
    return this.administration.change(actor, id, change);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Delete an account',
    description:
      'Name, e-mail address, password, sessions and API keys go; what was used stays in the ledger under the id. ' +
      "The username is free again. Not for one's own account: `DELETE /users/me`.",
  })
  @ApiNoContentResponse()
  @ApiProblem(404, 'not_found', 'There is no such user.')
  @ApiProblem(409, 'own_account', 'This is your own account: deleting it takes your password.')
  @ApiProblem(
    409,
    'last_admin',
    'This is the last active administrator who has a password; make somebody else one first.',
  )
  delete(@CurrentActor() actor: Actor, @UuidParam('id') id: string): Promise<void> {
    return this.administration.deleteOther(actor, id);
  }

  @Post(':id/password-reset')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'A link with which the user sets a new password',
    description:
      'Works once, for 24 hours, and replaces the link before. Nothing else changes until it is used. ' +
      "Not for one's own account: `POST /auth/password`.",
  })
  @ApiCreatedResponse({ type: PasswordResetLink })
  @ApiProblem(404, 'not_found', 'There is no such user.')
  @ApiProblem(409, 'own_account', 'This is your own account: a new password takes the current one.')
  issuePasswordReset(@CurrentActor() actor: Actor, @UuidParam('id') id: string): Promise<PasswordResetLink> {
    return this.administration.issuePasswordReset(actor, id);
  }
}
