import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from '../app.module';
import { configureApp } from '../app.setup';
import type { Env } from '../config/env';
import { HotExpressAdapter } from '../http/hot-express-adapter';

/** The application, ready to be used or to listen. Only `listen` wakes what runs in the background. */
export async function createGatewayApp(env: Env): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forEnv(env),
    new HotExpressAdapter(),
    {
      bodyParser: false,
      bufferLogs: true,
      abortOnError: false,
    },
  );
  return configureApp(app);
}
