import { createServer, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../config/env';
import { Metrics } from './metrics';

/** Serves GET /metrics on a port of its own, so that the public port need not know who may read it. */
@Injectable()
export class MetricsListener implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MetricsListener.name);
  private server: Server | undefined;

  constructor(
    private readonly env: Env,
    private readonly metrics: Metrics,
  ) {}

  /** The port that is really open; null when there is none. */
  get port(): number | null {
    return (this.server?.address() as AddressInfo | null | undefined)?.port ?? null;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { METRICS_HOST: host, METRICS_PORT: port } = this.env;
    if (port === 0) return;
    try {
      this.server = await this.listen(port, host);
      this.logger.log(`Metrics at http://${host}:${port}/metrics`);
    } catch (error) {
      // Several replicas may share a machine and an environment: that must not keep any of them from serving.
      const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      this.logger.warn(
        `No metrics from this process: ${host}:${port} cannot be opened (${reason}). ` +
          'Give each replica its own METRICS_PORT, or 0 for none.',
      );
    }
  }

  async onApplicationShutdown(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  private listen(port: number, host: string): Promise<Server> {
    const server = createServer((request, response) => {
      const path = request.url?.split('?', 1)[0];
      if (path !== '/metrics') response.writeHead(404).end();
      else if (request.method !== 'GET') response.writeHead(405, { allow: 'GET' }).end();
      else
        this.metrics.registry.metrics().then(
          (text) => response.writeHead(200, { 'content-type': this.metrics.registry.contentType }).end(text),
          (error: unknown) => {
            this.logger.error({ err: error }, 'metrics cannot be collected');
            response.writeHead(500).end();
          },
        );
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        // The scraper must not keep a process alive that is done.
        server.unref();
        resolve(server);
      });
    });
  }
}
