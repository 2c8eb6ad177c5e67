import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { ApiException } from '../common/api.exception';

const RETRY_AFTER_SECONDS = 2;

/** Identity cannot be decided without the database: neither "no" nor "yes" would be true, so the answer is 503. */
export async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw databaseUnavailable(cause);
  }
}

export function databaseUnavailable(cause: unknown): ApiException {
  return new ApiException({
    status: 503,
    code: 'database_unavailable',
    message: 'The account database cannot be reached at the moment; please repeat the request shortly.',
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
    cause,
  });
}

/**
 * SQLSTATE: lost connections (08), nothing may be written, as on a standby (25006), too few connections or too little memory
 * (53), a server that stops or starts (57P01 to 03).
 */
const AWAY_STATES = /^(08|53)|^25006$|^57P0[1-3]$/;
const AWAY_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  // No file left for a connection.
  'EMFILE',
  'ENFILE',
]);
/** What pg and its pool say without a code. */
const AWAY_MESSAGES =
  /^(timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client (has encountered a connection error|was closed) and is not queryable|PostgreSQL has said nothing for too long)/;

/** Whether a statement failed for the connection it went over, or for want of one, rather than for what it says. */
export function isDatabaseAway(error: unknown): boolean {
  // TypeORM lets go of a connection that breaks between two statements; the second one then finds it gone.
  if (error instanceof QueryRunnerAlreadyReleasedError) return true;
  const fault: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (!(fault instanceof Error)) return false;
  const code = 'code' in fault && typeof fault.code === 'string' ? fault.code : '';
  return AWAY_CODES.has(code) || AWAY_STATES.test(code) || AWAY_MESSAGES.test(fault.message);
}
