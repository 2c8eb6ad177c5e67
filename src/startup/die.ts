import { setTimeout as sleep } from 'node:timers/promises';
import { serializeError } from '../observability/error-serializer';
import { exitAfterLastWords, standardError } from '../observability/standard-outputs';
import { isExplained } from './startup-failure';

/** How long what was started may take to stop when something has gone wrong. */
const CLEAN_UP_MS = 10_000;

let dying = false;

/**
 * Ends the process with code 1: an explained failure with its sentence alone, any other as a log line with its stack.
 * @param cleanUp gets a little time, and may fail
 */
export async function dieOf(error: unknown, cleanUp: () => Promise<void> | undefined): Promise<void> {
  if (dying) return;
  dying = true;
  process.exitCode = 1;
  standardError().writeNow(isExplained(error) ? `${error.message}\n` : crashLine(error));
  await Promise.race([
    Promise.resolve(cleanUp()).catch(() => undefined),
    sleep(CLEAN_UP_MS, undefined, { ref: false }),
  ]);
  await exitAfterLastWords(1);
}

function crashLine(error: unknown): string {
  const line = {
    level: 'fatal',
    time: new Date().toISOString(),
    msg: 'the gateway ends: a failure nobody expected',
  };
  return `${JSON.stringify({ ...line, err: serializeError(error) })}\n`;
}
