import { setTimeout as sleep } from 'node:timers/promises';
import { Metrics } from '../../src/observability/metrics';
import type { Simulator } from '../../src/simulator/simulator';
import { startGateway, TestGateway, TestUser } from './gateway';
import { send } from './send';
import { CHAT } from './wire';

export const SERVED = { id: 'served', maxModelLen: 32_768 };

export const chat = (steps: object, model = 'opencode-llm', stream = false) => ({
  model,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
  stream,
});

/** What users had generated. */
export const generations = ({ journal }: Simulator) =>
  journal.entries.filter(({ path, requestId }) => path === CHAT && !requestId.startsWith('probe-'));

export const gatewayOver = (urls: readonly string[], settings: Record<string, string> = {}) =>
  startGateway({ settings: { VLLM_BASE_URL: urls.join(', '), ...settings } });

export async function statusOf(
  gateway: TestGateway,
  user: TestUser,
  body: object = chat({ tokens: 2 }),
): Promise<number> {
  const answer = await gateway.post(CHAT, user.key, body);
  await answer.text();
  return answer.status;
}

/** One user whose requests go to the first server, and one whose go to the second. */
export async function usersOf(
  gateway: TestGateway,
  vllms: readonly Simulator[],
): Promise<[TestUser, TestUser]> {
  const found: (TestUser | undefined)[] = [];
  for (let tries = 0; tries < 40 && !(found[0] && found[1]); tries += 1) {
    const user = await gateway.register();
    const before = vllms.map((vllm) => generations(vllm).length);
    if ((await statusOf(gateway, user)) !== 200) throw new Error('not served');
    found[vllms.findIndex((vllm, index) => generations(vllm).length > (before[index] ?? 0))] ??= user;
  }
  return found as [TestUser, TestUser];
}

export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never ${what}`);
    await sleep(50);
  }
}

/** The lines of the metrics that tell which servers get new generations. */
export async function gaugesOf({ app }: TestGateway): Promise<string[]> {
  const text = await app.get(Metrics).registry.metrics();
  return [...text.matchAll(/^llm_gateway_upstream_up\S* \d/gm)].map(([line]) => line);
}

export const readinessOf = async ({ url }: TestGateway) =>
  (await send(`${url}/health/ready`)).body.upstream as string;
