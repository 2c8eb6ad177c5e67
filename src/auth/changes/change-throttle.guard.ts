import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import type { Principal } from '../../common/principal';
import { HOT_ROUTE } from '../../http/hot-route.decorator';
import { ChangeThrottle } from './change-throttle.service';
import { COUNTED_BY_ITSELF } from './counted-by-itself.decorator';

const CHANGING: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Bounds what sessions change; runs after the guards that say who calls and whether they may. */
@Injectable()
export class ChangeThrottleGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly throttle: ChangeThrottle,
  ) {}

  // No promise for what is not counted: generations pass here, with a key and with a session.
  canActivate(context: ExecutionContext): true | Promise<true> {
    const { user, method } = context.switchToHttp().getRequest<Request & { user?: Principal }>();
    if (user?.via !== 'session' || !CHANGING.has(method)) return true;
    const handler = context.getHandler();
    if (this.reflector.get<unknown>(HOT_ROUTE, handler) !== undefined) return true;
    if (this.reflector.get<unknown>(COUNTED_BY_ITSELF, handler) !== undefined) return true;
    return this.counted(user);
  }

  private async counted({ userId, role }: Principal): Promise<true> {
    await this.throttle.count('with a session', { id: userId, role });
    return true;
  }
}
