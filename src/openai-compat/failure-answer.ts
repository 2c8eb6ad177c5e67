import { Failure, toProblem } from '../common/problem';
import { toOpenAiError } from './openai-error';

// A base URL with a slash at its end makes paths of //v1.
const OPENAI_PATHS = /^\/+(v1|chat)(\/|$)/i;
const OAUTH_PATHS = /^\/auth\/(token|refresh)\/?$/i;

/** A failure in the shape its route answers with: OpenAI's envelope, OAuth2's, or problem details. */
export function failureAnswer(
  path: string,
  failure: Failure,
  publicUrl: string,
): { type: string; text: string } {
  if (OPENAI_PATHS.test(path)) return json('application/json', toOpenAiError(failure));
  if (OAUTH_PATHS.test(path)) return json('application/json', toOAuthError(failure));
  return json('application/problem+json', toProblem(failure, publicUrl));
}

const json = (type: string, body: object) => ({ type, text: JSON.stringify(body) });

const OAUTH_CODES: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/** RFC 6749 section 5.2; what has no code there keeps its own, as the RFC allows extensions. */
function toOAuthError(failure: Failure): { error: string; error_description: string } {
  const error = OAUTH_CODES.has(failure.code) || failure.status >= 429 ? failure.code : 'invalid_request';
  return { error, error_description: failure.message };
}
