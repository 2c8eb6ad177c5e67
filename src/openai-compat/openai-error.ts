import type { Failure } from '../common/problem';

/** The one error envelope of /v1 and /chat, as openai SDKs read it. */
export interface OpenAiError {
  error: { message: string; type: string; param: string | null; code: string | null };
}

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'insufficient_quota',
  403: 'permission_error',
  404: 'invalid_request_error',
  405: 'invalid_request_error',
  408: 'timeout_error',
  409: 'conflict_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
};

export function toOpenAiError(failure: Failure): OpenAiError {
  const type =
    failure.type ??
    TYPES[failure.status] ??
    (failure.status >= 500 ? 'server_error' : 'invalid_request_error');
  return { error: { message: failure.message, type, param: failure.param, code: failure.code } };
}
