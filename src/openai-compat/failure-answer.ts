import { toAnthropicError } from '../anthropic-compat/anthropic-error';
import { isAnthropicPath } from '../common/anthropic-paths';
import { Failure, toProblem } from '../common/problem';
import { toOpenAiError } from './openai-error';

// A base URL with a slash at its end makes paths of //v1, one that lacks /v1 others than are there, and one that should not
// have it paths of /v1/v1. Whoever asks so reads no other envelope.
const OPENAI_PATHS = /^\/+(v1|chat|models|completions|responses|embeddings|rerank|score)(\/|$)/i;
const OAUTH_PATHS = /^\/auth\/(token|refresh)\/?$/i;

/** A failure in the shape its route answers with: OpenAI's or Anthropic's envelope, OAuth2's, or problem details. */
export function failureAnswer(
  path: string,
  failure: Failure,
  publicUrl: string,
): { type: string; text: string } {
  if (isAnthropicPath(path)) return json('application/json', toAnthropicError(failure));
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

function toOAuthError(failure: Failure): { error: string; error_description: string } {
  return { error: oauthCode(failure), error_description: failure.message };
}

/** RFC 6749 section 5.2; what may pass or is our fault keeps its own code, as the RFC allows extensions. */
export function oauthCode({ code, status }: Pick<Failure, 'code' | 'status'>): string {
  return OAUTH_CODES.has(code) || status >= 429 ? code : 'invalid_request';
}
