import { Global, Module } from '@nestjs/common';
import { pino } from 'pino';
import { Env } from '../config/env';
import { AppLogger, LOG_OUTPUT } from './app-logger';
import { Metrics } from './metrics';
import { MetricsListener } from './metrics-listener';

/** Log lines are written when so many bytes of them have come together, or after so many milliseconds. */
const LOG_BYTES = 8_192;
const LOG_MS = 100;

/** Logs and metrics, for everything. */
@Global()
@Module({
  providers: [
    {
      provide: LOG_OUTPUT,
      inject: [Env],
      // Asynchronous: a slow reader of stdout must not stop the event loop. Collected: one write for many lines costs a
      // fraction of one for each. pino flushes what is left at exit.
      useFactory: (env: Env) =>
        env.NODE_ENV === 'test'
          ? pino.destination({ dest: 1, sync: true })
          : pino.destination({ dest: 1, sync: false, minLength: LOG_BYTES, periodicFlush: LOG_MS }),
    },
    AppLogger,
    Metrics,
    MetricsListener,
  ],
  exports: [AppLogger, Metrics],
})
export class ObservabilityModule {}
