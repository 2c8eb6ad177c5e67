import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Env } from '../config/env';
import { dataSourceOptions, STATEMENT_TIMEOUT_MS } from './data-source-options';
import { HotStatements } from './hot-statements';
import { ReportStatements } from './report-statements';
import { StrangersConnections } from './strangers-connections';
import { silenceBeyond, WatchedClient } from './watched-client';

/** The one connection pool, which repositories and the hot statements share, and a small one for what adds up much. */
@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [Env],
      useFactory: (env: Env) => {
        const options = dataSourceOptions({ url: env.DATABASE_URL ?? '', poolSize: env.DATABASE_POOL_SIZE });
        return {
          ...options,
          extra: {
            ...options.extra,
            Client: WatchedClient,
            silenceMs: silenceBeyond(STATEMENT_TIMEOUT_MS),
          },
          retryAttempts: 3,
          retryDelay: 1_000,
        };
      },
    }),
  ],
  providers: [HotStatements, ReportStatements, StrangersConnections],
  exports: [HotStatements, ReportStatements, StrangersConnections],
})
export class DatabaseModule {}
