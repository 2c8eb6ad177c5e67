import { Env } from '../../config/env';
import type { Handover } from './messages';

/** Writes the settings down for a worker, the generated ones included. */
export function handOver(env: Env, embeddedDatabase: boolean): Handover {
  return {
    settings: { ...env },
    simulator: env.simulated ? (env.VLLM_BASE_URL ?? null) : null,
    embeddedDatabase,
  };
}

/** The settings as the primary has them; metrics are read through its port. */
export function takeOver({ settings, simulator }: Handover): Env {
  const env = Object.assign(new Env(), settings, { METRICS_PORT: 0 });
  if (simulator !== null) env.useSimulator(simulator);
  return env;
}
