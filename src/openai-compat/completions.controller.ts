import { Controller, Post, Res } from '@nestjs/common';
import { ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { ServerResponse } from 'node:http';
import { ApiKeyOnly } from '../common/access.decorator';
import { CurrentExchange, MeteredEndpoint } from '../proxy/metered-endpoint.decorator';
import type { Exchange, Running } from '../proxy/relay/exchange';
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
  chat(@CurrentExchange() exchange: Exchange, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchange, response);
  }

  @Post('completions')
  @MeteredEndpoint('completions')
  complete(@CurrentExchange() exchange: Exchange, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchange, response);
  }
}
