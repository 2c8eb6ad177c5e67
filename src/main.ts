import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module';
import { configureApp } from './app.setup';
import { loadDotEnv, loadEnv } from './config/load-env';

async function main(): Promise<void> {
  loadDotEnv();
  const env = loadEnv();
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forEnv(env), { bodyParser: false });
  configureApp(app);
  await app.listen(env.PORT, env.HOST);
  console.log(`listening on http://${env.HOST}:${env.PORT}`);
}

void main();
