import { createServer, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MetricsSource {
  /** All metrics, in Prometheus' text form. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Serves GET /metrics on a port of its own, so that the public port need not know who may read it. */
export class MetricsPort {
  private constructor(private readonly server: Server) {}

  /**
   * @param onError told when the metrics cannot be collected
   * @throws Error of Node when the port cannot be opened
   */
  static async open(
    { host, port }: { host: string; port: number },
    source: MetricsSource,
    onError: (error: unknown) => void,
  ): Promise<MetricsPort> {
    const server = createServer((request, response) => {
      const path = request.url?.split('?', 1)[0];
      if (path !== '/metrics') response.writeHead(404).end();
      else if (request.method !== 'GET') response.writeHead(405, { allow: 'GET' }).end();
      else
        source.text().then(
          (text) => response.writeHead(200, { 'content-type': source.contentType }).end(text),
          (error: unknown) => {
            onError(error);
            response.writeHead(500).end();
          },
        );
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    // The scraper must not keep a process alive that is done.
    server.unref();
    return new MetricsPort(server);
  }

  /** The port that is really open; null when it is closed. */
  get number(): number | null {
    return (this.server.address() as AddressInfo | null)?.port ?? null;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Why there are no metrics, in one sentence. Several replicas may share a machine and an environment. */
export function noMetrics({ host, port }: { host: string; port: number }, error: unknown): string {
  const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  return (
    `No metrics from this process: ${host}:${port} cannot be opened (${reason}). ` +
    'Give each replica its own METRICS_PORT, or 0 for none.'
  );
}
