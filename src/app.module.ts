import { DynamicModule, Module } from '@nestjs/common';
import { AdministrationModule } from './administration/administration.module';
import { AnthropicCompatModule } from './anthropic-compat/anthropic-compat.module';
import { AuthModule } from './auth/auth.module';
import { ConfigModule } from './config/config.module';
import { Env } from './config/env';
import { DatabaseModule } from './database/database.module';
import { DocsModule } from './docs/docs.module';
import { HealthModule } from './health/health.module';
import { ObservabilityModule } from './observability/observability.module';
import { OpenaiCompatModule } from './openai-compat/openai-compat.module';
import { OverloadModule } from './proxy/overload/overload.module';
import { ProxyModule } from './proxy/proxy.module';
import { RetentionModule } from './usage/retention/retention.module';
import { UsageModule } from './usage/usage.module';
import { UsersModule } from './users/users.module';

/** The gateway. The import direction of its rooms is enforced by .oxlintrc.json. */
@Module({})
export class AppModule {
  static forEnv(env: Env): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forEnv(env),
        DatabaseModule,
        ObservabilityModule,
        OverloadModule,
        UsersModule,
        AuthModule,
        UsageModule,
        RetentionModule,
        AdministrationModule,
        ProxyModule,
        AnthropicCompatModule,
        OpenaiCompatModule,
        HealthModule,
        DocsModule.forEnv(env),
      ],
    };
  }
}
