import { Controller, Post, Req, Res } from '@nestjs/common';
import { ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiKeyOnly } from '../common/access.decorator';
import { MeteredEndpoint } from '../proxy/metered-endpoint.decorator';
import { exchangeOf } from '../proxy/metering.interceptor';
import type { Running } from '../proxy/relay/exchange';
import { RelayService } from '../proxy/relay/relay.service';

/** What models answer that do not write: embeddings as OpenAI has them, rerank and score as vLLM does. */
@ApiTags('OpenAI-compatible')
@ApiSecurity('api-key')
@ApiKeyOnly()
@Controller('v1')
export class PoolingController {
  constructor(private readonly relay: RelayService) {}

  @Post('embeddings')
  @MeteredEndpoint('embeddings')
  embed(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }

  @Post('rerank')
  @MeteredEndpoint('rerank')
  rerank(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }

  @Post('score')
  @MeteredEndpoint('score')
  score(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }
}
