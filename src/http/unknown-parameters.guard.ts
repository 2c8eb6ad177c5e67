import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { ACCESS, Access } from '../common/access.decorator';
import { ApiException } from '../common/api.exception';
import { notTaken } from '../common/validation';
import { HOT_ROUTE } from './hot-route.decorator';

/**
 * Refuses parameters where a managing route takes none at all, as its validation does where it takes some: a misspelt or
 * hoped-for filter would pass for one that holds. Generations, and what is open to everybody, let them be.
 */
@Injectable()
export class UnknownParametersGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): true {
    const { originalUrl, query } = context.switchToHttp().getRequest<Request>();
    if (!originalUrl.includes('?')) return true;
    const owners = [context.getHandler(), context.getClass()] as const;
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [...owners]) ?? 'session';
    const isHot = this.reflector.get<unknown>(HOT_ROUTE, owners[0]) !== undefined;
    const [param] = Object.keys(query);
    if (access !== 'session' || isHot || takesParameters(context) || param === undefined) return true;
    throw new ApiException({ status: 400, code: 'invalid_request', message: notTaken(param), param });
  }
}

/** Nest keeps what a handler is given by kind and place, such as `4:0`. */
function takesParameters(context: ExecutionContext): boolean {
  const { name } = context.getHandler();
  const given: unknown = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), name);
  return Object.keys(given ?? {}).some((key) => key.startsWith(`${RouteParamtypes.QUERY}:`));
}
