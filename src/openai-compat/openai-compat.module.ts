import { Global, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { FailureAnswers } from '../common/failure-answers';
import { ProxyModule } from '../proxy/proxy.module';
import { AdminModelsController } from './admin-models.controller';
import { CompletionsController } from './completions.controller';
import { GatewayExceptionFilter } from './gateway-exception.filter';
import { ModelsController } from './models.controller';
import { ModelsService } from './models.service';
import { OpencodeController } from './opencode/opencode.controller';
import { OpencodeService } from './opencode/opencode.service';
import { PoolingController } from './pooling.controller';
import { ResponsesController } from './responses/responses.controller';

/** The public contract at /v1, how to set up a client for it, and the one place that shapes errors. */
@Global()
@Module({
  imports: [ProxyModule],
  controllers: [
    AdminModelsController,
    CompletionsController,
    ModelsController,
    OpencodeController,
    PoolingController,
    ResponsesController,
  ],
  providers: [
    ModelsService,
    OpencodeService,
    GatewayExceptionFilter,
    { provide: APP_FILTER, useExisting: GatewayExceptionFilter },
    { provide: FailureAnswers, useExisting: GatewayExceptionFilter },
  ],
  exports: [FailureAnswers],
})
export class OpenaiCompatModule {}
