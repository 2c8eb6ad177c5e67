import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Principal } from '../common/principal';
import { requestContext } from '../common/request-context';
import type { Actor } from './audit-log';
import { clientAddress } from './client-address';

/** The caller as the audit log names one; only for routes that are not public. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const request = context.switchToHttp().getRequest<Request & { user: Principal }>();
  return {
    actorId: request.user.userId,
    address: clientAddress(request),
    requestId: requestContext(request).requestId,
  };
});
