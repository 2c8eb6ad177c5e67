import type { NestExpressApplication } from '@nestjs/platform-express';
import { MergedMetrics } from '../../observability/merged-metrics';
import { MetricsPort, noMetrics } from '../../observability/metrics-port';
import type { Provision } from '../provision';
import type { Listening, Serving } from '../serving';
import { StartCancelled, StopSignals } from '../stop-signals';
import { handOver } from './handover';
import { WorkerPool } from './worker-pool';

/**
 * Beside SHUTDOWN_GRACE_MS: what a load balancer gets, the last settlements, closing. Less than the 30 seconds that
 * docs/operations.md asks of whoever stops the gateway from outside: the primary ends after its workers.
 */
const STOP_PATIENCE_MS = 25_000;

/**
 * This process prepares everything and serves nothing: workers share its port. It keeps their number, and tells their
 * metrics as one. Its own application is only there to make the first admin, and to ask vLLM for its models.
 */
export class InWorkers implements Serving {
  private readonly metrics = new MergedMetrics();
  private pool: WorkerPool | undefined;
  private metricsPort: MetricsPort | undefined;
  private fail: (error: unknown) => void = () => undefined;
  readonly failed = new Promise<never>((_resolve, reject) => (this.fail = reject));

  constructor(
    private readonly provision: Provision,
    private readonly signals: StopSignals,
  ) {
    this.failed.catch(() => undefined);
    signals.beforeEndAtOnce(() => this.pool?.killAll());
  }

  async open(): Promise<Listening> {
    const { env, log, embeddedDatabase } = this.provision;
    const pool = new WorkerPool({
      size: env.workers,
      handover: handOver(env, embeddedDatabase !== null),
      metrics: this.metrics,
      log: log.line,
      leaseMs: env.PROCESS_LEASE_MS,
      stopPatienceMs: env.SHUTDOWN_GRACE_MS + STOP_PATIENCE_MS,
    });
    this.pool = pool;
    pool.failed.catch(this.fail);
    const cancelled = this.signals.first.then(() => Promise.reject(new StartCancelled()));
    const port = await Promise.race([pool.start(), cancelled]);
    this.metricsPort = await this.openMetrics(pool);
    return { port, metricsPort: this.metricsPort?.number ?? null, workers: pool.serving };
  }

  async close(app: NestExpressApplication, patient: boolean): Promise<void> {
    await this.pool?.stop(patient);
    await this.metricsPort?.close();
    await app.close();
  }

  async abandon(app: NestExpressApplication | undefined): Promise<void> {
    await this.pool?.stop(false);
    await this.metricsPort?.close();
    await app?.close();
  }

  private async openMetrics(pool: WorkerPool): Promise<MetricsPort | undefined> {
    const { METRICS_HOST: host, METRICS_PORT: port } = this.provision.env;
    const { line } = this.provision.log;
    if (port === 0) return undefined;
    const source = { text: () => pool.metrics(), contentType: this.metrics.contentType };
    try {
      return await MetricsPort.open({ host, port }, source, () => line('the metrics cannot be collected'));
    } catch (error) {
      line(noMetrics({ host, port }, error));
      return undefined;
    }
  }
}
