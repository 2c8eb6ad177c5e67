import type { Env } from '../config/env';
import { startSimulator } from '../simulator/simulator';

/** Starts the built-in simulator when no vLLM is configured. @returns how to stop it */
export async function provideUpstream(env: Env): Promise<() => Promise<void>> {
  if (env.VLLM_BASE_URL) return () => Promise.resolve();
  const simulator = await startSimulator({ host: '127.0.0.1', task: 'any' });
  env.useSimulator(simulator.baseUrl);
  return () => simulator.close();
}
