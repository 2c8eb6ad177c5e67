import { scrub } from './scrub';

/** What of an error goes into the log. */
export interface LoggedError {
  type: string;
  message: string;
  stack?: string;
  code?: string;
  constraint?: string;
  table?: string;
  cause?: LoggedError;
}

const SQL_STATE = /^[0-9A-Z]{5}$/;
const MAX_CAUSES = 4;

/**
 * Errors are logged by a closed list of fields: a failed query carries its parameters, an HTTP error its request,
 * a parse error the body, and none of that belongs in a log.
 */
export function serializeError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'thrown value that is not an Error' };
  const { code, constraint, table } = error as { code?: unknown; constraint?: unknown; table?: unknown };
  const message = messageOf(error, code);
  return {
    type: error.constructor.name,
    message,
    ...(error.stack ? { stack: framesOf(error.stack) } : {}),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof constraint === 'string' ? { constraint } : {}),
    ...(typeof table === 'string' ? { table } : {}),
    ...(error.cause !== undefined && depth < MAX_CAUSES
      ? { cause: serializeError(error.cause, depth + 1) }
      : {}),
  };
}

function messageOf(error: Error, code: unknown): string {
  // A JSON parse error quotes the body it failed on.
  if (error instanceof SyntaxError) return 'text that cannot be parsed';
  // PostgreSQL quotes the value it refused: `invalid input syntax for type uuid: "…"`.
  if (typeof code === 'string' && SQL_STATE.test(code))
    return scrub(error.message.replace(/: ".*"$/s, ': "…"'));
  return scrub(error.message);
}

/** The frames alone: the lines before them repeat the message. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .join('\n');
}
