import { Controller, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MeteredEndpoint } from './metered-endpoint.decorator';
import { exchangeOf } from './metering.interceptor';
import type { Running } from './relay/exchange';
import { RelayService } from './relay/relay.service';

/** Chat with a session's token instead of an API key; the same pipeline as /v1. */
@ApiTags('Chat')
@ApiBearerAuth('session')
@Controller('chat')
export class ChatController {
  constructor(private readonly relay: RelayService) {}

  @Post('completions')
  @MeteredEndpoint(null)
  create(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }
}
