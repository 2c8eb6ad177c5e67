import { Controller, HttpCode, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import { ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiKeyOnly } from '../common/access.decorator';
import { CurrentPrincipal } from '../common/current-principal.decorator';
import type { Principal } from '../common/principal';
import { MeteredEndpoint } from '../proxy/metered-endpoint.decorator';
import { exchangeOf } from '../proxy/metering.interceptor';
import type { Running } from '../proxy/relay/exchange';
import { RelayService } from '../proxy/relay/relay.service';
import { RateLimitHeaders } from '../usage/rates/rate-limit-headers.interceptor';
import { CountsTokens } from './counts-tokens.decorator';
import { MESSAGES } from './messages-dialect';
import { TokenCounts } from './token-counts.service';

/** Chats as Anthropic's clients ask for them. */
@ApiTags('Anthropic-compatible')
@ApiSecurity('api-key')
@ApiKeyOnly()
@Controller('v1/messages')
export class MessagesController {
  constructor(
    private readonly relay: RelayService,
    private readonly counts: TokenCounts,
  ) {}

  @Post()
  @MeteredEndpoint('chat_completions', MESSAGES)
  create(@Req() request: IncomingMessage, @Res() response: ServerResponse): Running {
    return this.relay.relay(exchangeOf(request), response);
  }

  @Post('count_tokens')
  @HttpCode(200)
  @UseInterceptors(RateLimitHeaders)
  @CountsTokens()
  count(
    @Req() request: IncomingMessage,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ input_tokens: number }> {
    return this.counts.count(request, principal);
  }
}
