import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves early in a minute: what a test sends then lies in one, also on a machine that takes many seconds for it. */
export async function earlyInTheMinute(): Promise<void> {
  const second = (Date.now() / 1_000) % 60;
  if (second > 45) await sleep((60.1 - second) * 1_000);
}
