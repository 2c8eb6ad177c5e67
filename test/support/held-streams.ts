import { setTimeout as sleep } from 'node:timers/promises';
import type { TestGateway, TestUser } from './gateway';
import { untilNothingOpen } from './ledger';
import { CHAT } from './wire';

export interface HeldStreams {
  /** What the user's open requests hold. */
  readonly reserved: readonly number[];
  /** Lets vLLM go on. Resolves with what it said once all is settled. */
  release(): Promise<string[]>;
}

/**
 * Streams that are admitted, of a vLLM that stands still until they are released: what they hold is there for as long
 * as a busy machine takes to look at it. A test that may fail before must let vLLM go on itself.
 */
export async function holdStreams(
  gateway: TestGateway,
  user: TestUser,
  body: object,
  count = 1,
): Promise<HeldStreams> {
  const { settings } = gateway.simulator;
  settings.hung = true;
  let refusal: string | undefined;
  const texts = Array.from({ length: count }, async () => {
    const text = await (await gateway.post(CHAT, user.key, { ...body, stream: true })).text();
    if (settings.hung) refusal = text;
    return text;
  });
  const open = async () => {
    const rows = await gateway.dataSource.query<{ reserved: string }[]>(
      'SELECT reserved FROM open_requests WHERE user_id = $1',
      [user.id],
    );
    return rows.map(({ reserved }) => Number(reserved));
  };
  let reserved = await open();
  for (; reserved.length < count; reserved = await open()) {
    if (refusal !== undefined) throw new Error(`not admitted: ${refusal}`);
    await sleep(10);
  }
  return {
    reserved,
    release: async () => {
      settings.hung = false;
      const said = await Promise.all(texts);
      await untilNothingOpen(gateway);
      return said;
    },
  };
}
