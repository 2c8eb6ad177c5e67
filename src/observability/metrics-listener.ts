import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../config/env';
import { Metrics } from './metrics';
import { MetricsPort, noMetrics } from './metrics-port';

/** Opens METRICS_PORT for the metrics of this process, for as long as the application runs. */
@Injectable()
export class MetricsListener implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MetricsListener.name);
  private opened: MetricsPort | undefined;

  constructor(
    private readonly env: Env,
    private readonly metrics: Metrics,
  ) {}

  /** The port that is really open; null when there is none. */
  get port(): number | null {
    return this.opened?.number ?? null;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { METRICS_HOST: host, METRICS_PORT: port } = this.env;
    if (port === 0) return;
    const { registry } = this.metrics;
    try {
      const source = { text: () => registry.metrics(), contentType: registry.contentType };
      this.opened = await MetricsPort.open({ host, port }, source, (error) =>
        this.logger.error({ err: error }, 'metrics cannot be collected'),
      );
      this.logger.log(`Metrics at http://${host}:${port}/metrics`);
    } catch (error) {
      // That must not keep it from serving.
      this.logger.warn(noMetrics({ host, port }, error));
    }
  }

  async onApplicationShutdown(): Promise<void> {
    const { opened } = this;
    this.opened = undefined;
    await opened?.close();
  }
}
