import { DynamicModule, Module } from '@nestjs/common';
import type { Env } from '../config/env';
import { ApiDocument } from './api-document';
import { DocsController } from './docs.controller';

/** The documentation of the API; `setupDocs` puts its page on the application. */
@Module({})
export class DocsModule {
  static forEnv(env: Env): DynamicModule {
    return {
      module: DocsModule,
      controllers: env.DOCS_ACCESS === 'admin' ? [DocsController] : [],
      providers: [ApiDocument],
      exports: [ApiDocument],
    };
  }
}
