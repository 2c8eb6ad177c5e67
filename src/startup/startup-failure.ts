import { ConfigurationError } from '../config/load-env';

/** Start-up cannot go on, and the reason is known: `message` alone is printed, and the exit code is 1. */
export class StartupFailure extends Error {}

/** True for failures whose message says all there is to say: no stack is shown for them. */
export function isExplained(error: unknown): error is Error {
  return error instanceof StartupFailure || error instanceof ConfigurationError;
}

/** The code of a failed system call or statement, such as EACCES or 28P01. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
