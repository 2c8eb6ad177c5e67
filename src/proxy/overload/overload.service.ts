import { Injectable, OnApplicationShutdown } from '@nestjs/common';
import { ApiException } from '../../common/api.exception';
import { Env } from '../../config/env';
import { Metrics } from '../../observability/metrics';
import { AdmissionService } from '../../usage/admission/admission.service';
import { Pressure, SAMPLE_MS } from './pressure';

/** Those who were refused together are asked to come back apart. Seconds. */
const LATEST_RETRY_S = 3;

/** Refuses new generations while they would have to wait too long: what runs keeps its pace. */
@Injectable()
export class Overload implements OnApplicationShutdown {
  private readonly pressure: Pressure | null;
  private readonly timer: NodeJS.Timeout | null;

  constructor(
    admission: AdmissionService,
    env: Env,
    private readonly metrics: Metrics,
  ) {
    const pressure =
      env.SHED_AFTER_MS > 0 ? new Pressure(env.SHED_AFTER_MS, admission, performance.now()) : null;
    this.pressure = pressure;
    this.timer = pressure && setInterval(() => pressure.tick(performance.now()), SAMPLE_MS).unref();
  }

  /** Asked once for each new generation. */
  refuses(): boolean {
    if (this.pressure === null || this.pressure.admits()) return false;
    this.metrics.shed();
    return true;
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }
}

/** Whole seconds. */
export const retryAfter = (): string => String(1 + Math.floor(Math.random() * LATEST_RETRY_S));

export function overloaded(): ApiException {
  return new ApiException({
    status: 503,
    code: 'overloaded',
    message: 'The gateway has more requests than it can serve at the moment. Send this one again shortly.',
    headers: { 'retry-after': retryAfter() },
  });
}
