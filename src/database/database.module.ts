import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Env } from '../config/env';
import { dataSourceOptions } from './data-source-options';
import { HotStatements } from './hot-statements';

/** The one connection pool: repositories and the hot statements share it. */
@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [Env],
      useFactory: (env: Env) => ({
        ...dataSourceOptions({ url: env.DATABASE_URL ?? '', poolSize: env.DATABASE_POOL_SIZE }),
        retryAttempts: 3,
        retryDelay: 1_000,
      }),
    }),
  ],
  providers: [HotStatements],
  exports: [HotStatements],
})
export class DatabaseModule {}
