import { Global, Module } from '@nestjs/common';
import { pino } from 'pino';
import { Env } from '../config/env';
import { AppLogger, LOG_OUTPUT } from './app-logger';
import { Metrics } from './metrics';
import { MetricsListener } from './metrics-listener';

/** Logs and metrics, for everything. */
@Global()
@Module({
  providers: [
    {
      provide: LOG_OUTPUT,
      inject: [Env],
      // Asynchronous: a slow reader of stdout must not stop the event loop. pino flushes it at exit.
      useFactory: (env: Env) => pino.destination({ dest: 1, sync: env.NODE_ENV === 'test' }),
    },
    AppLogger,
    Metrics,
    MetricsListener,
  ],
  exports: [AppLogger, Metrics],
})
export class ObservabilityModule {}
