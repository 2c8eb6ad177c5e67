import { applyDecorators, HttpCode, SetMetadata, UseInterceptors } from '@nestjs/common';
import { HotRoute } from '../http/hot-route.decorator';
import type { EndpointName } from './endpoints';
import { MeteringInterceptor, METERED_ENDPOINT } from './metering.interceptor';

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
