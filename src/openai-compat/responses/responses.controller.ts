import { Controller, Post, Req, Res } from '@nestjs/common';
import { ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiKeyOnly } from '../../common/access.decorator';
import { MeteredEndpoint } from '../../proxy/metered-endpoint.decorator';
import { exchangeOf } from '../../proxy/metering.interceptor';
import type { Running } from '../../proxy/relay/exchange';
import { RelayService } from '../../proxy/relay/relay.service';
import { RESPONSES } from './responses-dialect';

/** Chats as clients of OpenAI's Responses ask for them. */
@ApiTags('OpenAI-compatible')
@ApiSecurity('api-key')
@ApiKeyOnly()
@Controller('v1/responses')
export class ResponsesController {
  constructor(private readonly relay: RelayService) {}

  @Post()
  @MeteredEndpoint('chat_completions', RESPONSES)
  create(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }
}
