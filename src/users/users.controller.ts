import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblem } from '../common/api-problem.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import { OneFieldBody } from '../common/one-field-body.decorator';
import type { Principal } from '../common/principal';
import { notTaken } from '../common/validation';
import { UpdateUser } from './dto/update-user.dto';
import { UserResponse } from './dto/user-response.dto';
import { UserProfiles } from './user-profiles';

@ApiTags('Account')
@ApiBearerAuth('session')
@ApiProblem(401, 'invalid_token', 'The access token is missing, not valid or expired.')
@Controller('users/me')
export class UsersController {
  constructor(private readonly profiles: UserProfiles) {}

  @Get()
  @ApiOperation({ summary: 'Who am I, and how much of my monthly token limit is used' })
  @ApiOkResponse({ type: UserResponse })
  show(@CurrentPrincipal() principal: Principal): Promise<UserResponse> {
    return this.profiles.get(principal.userId);
  }

  @Patch()
  @ApiOperation({ summary: 'Change my name or e-mail address' })
  @OneFieldBody(UpdateUser, { name: 'Ada Lovelace', email: 'ada@example.com' })
  @ApiOkResponse({ type: UserResponse })
  @ApiProblem(400, 'invalid_request', notTaken('role'))
  update(@CurrentPrincipal() principal: Principal, @Body() changes: UpdateUser): Promise<UserResponse> {
    return this.profiles.update(principal.userId, changes);
  }
}
