import { Controller, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { ServerResponse } from 'node:http';
import { CurrentExchange, MeteredEndpoint } from './metered-endpoint.decorator';
import type { Exchange, Running } from './relay/exchange';
import { RelayService } from './relay/relay.service';

/** Chat with a session's token instead of an API key; the same pipeline as /v1. */
@ApiTags('Chat')
@ApiBearerAuth('session')
@Controller('chat')
export class ChatController {
  constructor(private readonly relay: RelayService) {}

  @Post('completions')
  @MeteredEndpoint(null)
  create(@CurrentExchange() exchange: Exchange, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchange, response);
  }
}
