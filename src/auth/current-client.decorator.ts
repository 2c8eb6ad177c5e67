import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { requestContext } from '../common/request-context';
import { clientAddress } from './client-address';

/** Where a request comes from, and with what. */
export interface Client {
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  readonly requestId: string;
}

const MAX_USER_AGENT = 256;

export const CurrentClient = createParamDecorator((_: unknown, context: ExecutionContext): Client => {
  const request = context.switchToHttp().getRequest<Request>();
  return {
    address: clientAddress(request),
    userAgent: request.headers['user-agent']?.slice(0, MAX_USER_AGENT),
    requestId: requestContext(request).requestId,
  };
});
