import { LogOutput } from './log-output';
import { unwaitingDescriptor } from './unwaiting-descriptor';

/** One write for many lines costs a fraction of one for each. */
const ONE_PROCESS = { gatherBytes: 8_192, pieceBytes: 16_384 };
/** Linux writes 4 KiB to a pipe in one piece: workers share theirs, and must not write into each other's lines. */
const ONE_OF_WORKERS = { gatherBytes: 4_095, pieceBytes: 4_096 };

const outputs = new Map<1 | 2, LogOutput>();

/** The one way of this process to its stdout, so that all its lines come out in their order. */
export function standardOutput({ workers }: { workers: number }): LogOutput {
  return outputOf(1, workers > 1 ? ONE_OF_WORKERS : ONE_PROCESS);
}

/** The same for stderr. */
export function standardError(): LogOutput {
  return outputOf(2, ONE_OF_WORKERS);
}

/** Ends the process once its last lines are out, or have waited for a reader long enough. */
export async function exitAfterLastWords(code: number): Promise<never> {
  await Promise.all([...outputs.values()].map((output) => output.lastWords()));
  process.exit(code);
}

function outputOf(standard: 1 | 2, sizes: typeof ONE_PROCESS): LogOutput {
  const output = outputs.get(standard) ?? new LogOutput({ ...unwaitingDescriptor(standard), ...sizes });
  outputs.set(standard, output);
  return output;
}
