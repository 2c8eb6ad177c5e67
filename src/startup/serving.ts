import type { NestExpressApplication } from '@nestjs/platform-express';

/** What is open once requests are served. */
export interface Listening {
  readonly port: number;
  /** Null when there are no metrics. */
  readonly metricsPort: number | null;
  /** Process ids of the workers; none when this process serves by itself. */
  readonly workers: readonly number[];
}

/** Who serves requests: this process, or workers of it. */
export interface Serving {
  /** @throws StartupFailure when requests cannot be served */
  open(app: NestExpressApplication): Promise<Listening>;
  /**
   * Ends in order, and the application with it: what runs is finished and settled.
   * @param patient whether somebody else may still be sending requests here, as a load balancer does
   */
  close(app: NestExpressApplication, patient: boolean): Promise<void>;
  /** Rejects when requests cannot be served any more. */
  readonly failed: Promise<never>;
  /** Ends a start that is given up. */
  abandon(app: NestExpressApplication | undefined): Promise<void>;
}
