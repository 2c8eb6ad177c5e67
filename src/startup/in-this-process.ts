import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Env } from '../config/env';
import { MetricsListener } from '../observability/metrics-listener';
import { openPort } from './listen';
import type { Listening, Serving } from './serving';
import { shutDown } from './shutdown';

/** The usual way: the process that was started serves. */
export class InThisProcess implements Serving {
  readonly failed = new Promise<never>(() => undefined);

  constructor(private readonly env: Env) {}

  async open(app: NestExpressApplication): Promise<Listening> {
    const port = await openPort(app, this.env);
    return { port, metricsPort: app.get(MetricsListener, { strict: false }).port, workers: [] };
  }

  close(app: NestExpressApplication, patient: boolean): Promise<void> {
    return shutDown(app, patient);
  }

  async abandon(app: NestExpressApplication | undefined): Promise<void> {
    await app?.close();
  }
}
