import {
  applyDecorators,
  createParamDecorator,
  ExecutionContext,
  HttpCode,
  SetMetadata,
  UseInterceptors,
} from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { HotRoute } from '../http/hot-route.decorator';
import type { EndpointName } from './endpoints';
import { MeteringInterceptor, METERED_ENDPOINT, exchangeOf } from './metering.interceptor';

/**
 * A route whose answer comes from vLLM: its body is checked, its tokens are reserved before and settled after.
 * @param endpoint null: decided by the body (POST /chat/completions)
 */
export const MeteredEndpoint = (endpoint: EndpointName | null) =>
  applyDecorators(
    SetMetadata(METERED_ENDPOINT, endpoint),
    UseInterceptors(MeteringInterceptor),
    HttpCode(200),
    HotRoute(),
  );

/** The admitted exchange that the metering interceptor has prepared. */
export const CurrentExchange = createParamDecorator((_: unknown, context: ExecutionContext) =>
  exchangeOf(context.switchToHttp().getRequest<IncomingMessage>()),
);
