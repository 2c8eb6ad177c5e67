import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { HotRequest } from '../../http/hot-messages';
import { METERED_ENDPOINT } from '../metering.interceptor';
import { overloaded, Overload } from './overload.service';

/** Refuses, before anybody asks who calls, the new generations that come by way of Express. */
@Injectable()
export class OverloadGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly overload: Overload,
  ) {}

  canActivate(context: ExecutionContext): true {
    if (this.reflector.get<unknown>(METERED_ENDPOINT, context.getHandler()) === undefined) return true;
    // The hot lane has asked already.
    if (context.switchToHttp().getRequest<unknown>() instanceof HotRequest) return true;
    if (this.overload.refuses()) throw overloaded();
    return true;
  }
}
