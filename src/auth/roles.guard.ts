import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ROLES } from '../common/access.decorator';
import { ApiException } from '../common/api.exception';
import type { Principal, Role } from '../common/principal';

/** Keeps routes with @Roles() to principals who have one of them. Runs after the authentication guard. */
@Injectable()
export class RolesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): true {
    const roles = this.reflector.getAllAndOverride<readonly Role[] | undefined>(ROLES, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (!roles) return true;
    const principal = context.switchToHttp().getRequest<{ user?: Principal }>().user;
    if (principal && roles.includes(principal.role)) return true;
    throw new ApiException({
      status: 403,
      code: 'forbidden',
      message: `This needs the role ${roles.join(' or ')}.`,
    });
  }
}
