import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ProxyModule } from '../proxy/proxy.module';
import { CompletionsController } from './completions.controller';
import { GatewayExceptionFilter } from './gateway-exception.filter';
import { ModelsController } from './models.controller';
import { ModelsService } from './models.service';

/** The public contract at /v1, and the one place that shapes errors. */
@Module({
  imports: [ProxyModule],
  controllers: [CompletionsController, ModelsController],
  providers: [ModelsService, { provide: APP_FILTER, useClass: GatewayExceptionFilter }],
})
export class OpenaiCompatModule {}
