import { applyDecorators, HttpCode, SetMetadata, UseInterceptors } from '@nestjs/common';
import { HotRoute } from '../http/hot-route.decorator';
import type { Dialect } from './dialect';
import type { EndpointName, Metered } from './endpoints';
import { MeteringInterceptor, METERED_ENDPOINT } from './metering.interceptor';

/**
 * A route whose answer comes from vLLM: its body is checked, its tokens are reserved before and settled after.
 * @param endpoint null: decided by the body (POST /chat/completions)
 * @param dialect of its bodies and answers, where that is not OpenAI's
 */
export const MeteredEndpoint = (endpoint: EndpointName | null, dialect: Dialect | null = null) =>
  applyDecorators(
    SetMetadata(METERED_ENDPOINT, { endpoint, dialect } satisfies Metered),
    UseInterceptors(MeteringInterceptor),
    HttpCode(200),
    HotRoute(),
  );
