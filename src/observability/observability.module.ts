import { Global, Module } from '@nestjs/common';
import { pino } from 'pino';
import { Env } from '../config/env';
import { AppLogger, LOG_OUTPUT } from './app-logger';
import { Metrics } from './metrics';
import { MetricsListener } from './metrics-listener';

/** Log lines are written when so many bytes of them have come together, or after so many milliseconds. */
const LOG_BYTES = 8_192;
const LOG_MS = 100;
/** What Linux writes to a pipe in one piece: workers share theirs, and must not write into each other's lines. */
const PIPE_PIECE_BYTES = 4_096;

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
          : pino.destination({
              dest: 1,
              sync: false,
              periodicFlush: LOG_MS,
              ...(env.workers > 1
                ? { minLength: PIPE_PIECE_BYTES - 1, maxWrite: PIPE_PIECE_BYTES }
                : { minLength: LOG_BYTES }),
            }),
    },
    AppLogger,
    Metrics,
    MetricsListener,
  ],
  exports: [AppLogger, Metrics],
})
export class ObservabilityModule {}
