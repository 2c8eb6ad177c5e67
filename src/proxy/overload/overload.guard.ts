import { CanActivate, ExecutionContext, Injectable, OnApplicationShutdown } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiException } from '../../common/api.exception';
import { Env } from '../../config/env';
import { Metrics } from '../../observability/metrics';
import { AdmissionService } from '../../usage/admission/admission.service';
import { METERED_ENDPOINT } from '../metering.interceptor';
import { Pressure, SAMPLE_MS } from './pressure';

/** Those who were refused together are asked to come back apart. Seconds. */
const LATEST_RETRY_S = 3;

/**
 * Refuses new generations while this process cannot keep up, before their credential is checked or their body read:
 * what runs keeps its pace, and what is refused is told at once instead of waiting with all the others.
 */
@Injectable()
export class OverloadGuard implements CanActivate, OnApplicationShutdown {
  private readonly pressure: Pressure | null;
  private readonly timer: NodeJS.Timeout | null;

  constructor(
    private readonly reflector: Reflector,
    private readonly metrics: Metrics,
    admission: AdmissionService,
    env: Env,
  ) {
    const pressure = env.SHED_AFTER_MS > 0 ? new Pressure(env.SHED_AFTER_MS, performance.now()) : null;
    this.pressure = pressure;
    this.timer =
      pressure && setInterval(() => pressure.tick(performance.now(), admission.waitMs), SAMPLE_MS).unref();
  }

  canActivate(context: ExecutionContext): true {
    if (this.pressure === null) return true;
    if (this.reflector.get<unknown>(METERED_ENDPOINT, context.getHandler()) === undefined) return true;
    if (this.pressure.admits()) return true;
    this.metrics.shed();
    throw overloaded();
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }
}

function overloaded(): ApiException {
  return new ApiException({
    status: 503,
    code: 'overloaded',
    message: 'The gateway has more requests than it can serve at the moment. Send this one again shortly.',
    headers: { 'retry-after': String(1 + Math.floor(Math.random() * LATEST_RETRY_S)) },
  });
}
