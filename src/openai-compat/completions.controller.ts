import { Controller, Post, Req, Res } from '@nestjs/common';
import { ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiKeyOnly } from '../common/access.decorator';
import { MeteredEndpoint } from '../proxy/metered-endpoint.decorator';
import { exchangeOf } from '../proxy/metering.interceptor';
import type { Running } from '../proxy/relay/exchange';
import { RelayService } from '../proxy/relay/relay.service';

/** The generating half of /v1, as OpenAI's clients call it. */
@ApiTags('OpenAI-compatible')
@ApiSecurity('api-key')
@ApiKeyOnly()
@Controller('v1')
export class CompletionsController {
  constructor(private readonly relay: RelayService) {}

  @Post('chat/completions')
  @MeteredEndpoint('chat_completions')
  chat(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }

  @Post('completions')
  @MeteredEndpoint('completions')
  complete(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }
}
