import type { Failure } from '../common/problem';

/** The envelope of every failure under /v1/messages, as Anthropic's SDKs read it. */
export interface AnthropicError {
  type: 'error';
  error: { type: string; message: string };
}

/** Anthropic's names (docs.anthropic.com, "Errors"); its SDKs choose the class of an exception by the status. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

export function anthropicError(status: number, message: string): AnthropicError {
  const type = TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
  return { type: 'error', error: { type, message } };
}

export const toAnthropicError = ({ status, message }: Failure): AnthropicError =>
  anthropicError(status, message);
