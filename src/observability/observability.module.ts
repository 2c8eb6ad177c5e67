import { Global, Module } from '@nestjs/common';
import { pino } from 'pino';
import { Env } from '../config/env';
import { AppLogger, LOG_OUTPUT } from './app-logger';
import { LogOutput } from './log-output';
import { Metrics } from './metrics';
import { MetricsListener } from './metrics-listener';

const STDOUT = 1;
/** One write for many lines costs a fraction of one for each. */
const ONE_PROCESS = { gatherBytes: 8_192, pieceBytes: 16_384 };
/** Linux writes 4 KiB to a pipe in one piece: workers share theirs, and must not write into each other's lines. */
const ONE_OF_WORKERS = { gatherBytes: 4_095, pieceBytes: 4_096 };

/** Logs and metrics, for everything. */
@Global()
@Module({
  providers: [
    {
      provide: LOG_OUTPUT,
      inject: [Env, Metrics],
      useFactory: (env: Env, metrics: Metrics) =>
        env.NODE_ENV === 'test'
          ? pino.destination({ dest: STDOUT, sync: true })
          : new LogOutput({
              fd: STDOUT,
              ...(env.workers > 1 ? ONE_OF_WORKERS : ONE_PROCESS),
              onLost: (lines) => metrics.logLinesLost(lines),
            }),
    },
    AppLogger,
    Metrics,
    MetricsListener,
  ],
  exports: [AppLogger, Metrics],
})
export class ObservabilityModule {}
