import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestIdHeaders } from './anthropic-paths';
import { newRequestId } from './request-id';

/** What a proxied request adds to its log line: numbers and names from closed sets, never text of the user. */
export interface RequestLogFields {
  model?: string;
  stream?: boolean;
  outcome?: string;
  source?: string;
  prompt_tokens?: number;
  cached_tokens?: number;
  completion_tokens?: number;
  reasoning_tokens?: number;
  time_to_first_token_ms?: number;
  /** Of a failure: docs/errors.md. */
  code?: string;
  /** Which of several vLLM servers had it. */
  upstream?: string;
}

/** What the gateway itself knows of a request; set before anything else runs. */
export interface RequestContext {
  /** UUIDv7, made here: the `x-request-id` of the answer and the key of the ledger row. */
  readonly requestId: string;
  /** performance.now() at arrival, milliseconds. */
  readonly arrivedAt: number;
  /** Set by the authentication guard, for the log line. */
  userId?: string;
  apiKeyId?: string;
  log?: RequestLogFields;
  /** The metering of this request, which ends after its answer: its log line waits for the numbers. */
  metered?: Promise<unknown>;
}

/** On the request itself: a WeakMap of what lives so shortly is work for the garbage collector. */
const CONTEXT = Symbol('context');
type WithContext = IncomingMessage & { [CONTEXT]?: RequestContext };

/** Gives the request its id and the answer its `x-request-id`; what a client sends under that name is ignored. */
export function openRequestContext(request: IncomingMessage, response: ServerResponse): RequestContext {
  const context: RequestContext = {
    requestId: newRequestId(),
    arrivedAt: performance.now(),
    // All of them, so that every request has the same shape.
    userId: undefined,
    apiKeyId: undefined,
    log: undefined,
    metered: undefined,
  };
  (request as WithContext)[CONTEXT] = context;
  const headers = requestIdHeaders(request.url ?? '', context.requestId);
  for (const name in headers) response.setHeader(name, headers[name] as string);
  return context;
}

export function requestContext(request: IncomingMessage): RequestContext {
  const context = (request as WithContext)[CONTEXT];
  if (!context) throw new Error('openRequestContext has not run for this request');
  return context;
}
