import { DynamicModule, Module } from '@nestjs/common';
import { Env } from './env';

/** Provides the validated settings by class, everywhere. */
@Module({})
export class ConfigModule {
  static forEnv(env: Env): DynamicModule {
    return {
      module: ConfigModule,
      global: true,
      providers: [{ provide: Env, useValue: env }],
      exports: [Env],
    };
  }
}
