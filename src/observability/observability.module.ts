import { Global, Module } from '@nestjs/common';
import { pino } from 'pino';
import { Env } from '../config/env';
import { AppLogger, LOG_OUTPUT } from './app-logger';
import { Metrics } from './metrics';
import { MetricsListener } from './metrics-listener';
import { standardOutput } from './standard-outputs';

const STDOUT = 1;

/** Logs and metrics, for everything. */
@Global()
@Module({
  providers: [
    {
      provide: LOG_OUTPUT,
      inject: [Env, Metrics],
      useFactory: (env: Env, metrics: Metrics) => {
        if (env.NODE_ENV === 'test') return pino.destination({ dest: STDOUT, sync: true });
        const output = standardOutput(env);
        output.onLost = (lines) => metrics.logLinesLost(lines);
        return output;
      },
    },
    AppLogger,
    Metrics,
    MetricsListener,
  ],
  exports: [AppLogger, Metrics],
})
export class ObservabilityModule {}
