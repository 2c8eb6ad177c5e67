import { Module } from '@nestjs/common';
import { ProxyModule } from '../proxy/proxy.module';
import { MessagesController } from './messages.controller';
import { TokenCounts } from './token-counts.service';

/** Anthropic's Messages over the same pipeline as /v1/chat/completions. */
@Module({
  imports: [ProxyModule],
  controllers: [MessagesController],
  providers: [TokenCounts],
})
export class AnthropicCompatModule {}
