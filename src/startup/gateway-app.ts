import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from '../app.module';
import { configureApp } from '../app.setup';
import type { Env } from '../config/env';
import { HotExpressAdapter } from '../http/hot-express-adapter';
import { AppLogger } from '../observability/app-logger';
import { standardOutput } from '../observability/standard-outputs';
import { explained } from './database-failure';

/**
 * The application, ready to be used or to listen. Only `listen` wakes what runs in the background.
 * @throws StartupFailure when its database cannot be reached
 */
export async function createGatewayApp(env: Env): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forEnv(env),
    new HotExpressAdapter(),
    {
      bodyParser: false,
      // Nest's own would tell of an application that cannot be made, in many lines and in colour.
      logger: new AppLogger(env, standardOutput(env)),
      abortOnError: false,
    },
  ).catch((error: unknown) => {
    throw explained(error, env);
  });
  return configureApp(app);
}
