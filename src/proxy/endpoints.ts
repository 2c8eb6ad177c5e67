import type { Dialect } from './dialect';

/** The metered endpoints and the constant paths they have at vLLM: no path is ever built from what a client sends. */
export const ENDPOINTS = {
  chat_completions: { upstreamPath: '/v1/chat/completions' },
  completions: { upstreamPath: '/v1/completions' },
} as const;

export type EndpointName = keyof typeof ENDPOINTS;

/** How a route's requests are read and its answers written. */
export interface Metered {
  /** null: decided by the body (POST /chat/completions) */
  readonly endpoint: EndpointName | null;
  /** null: OpenAI's, as vLLM's own */
  readonly dialect: Dialect | null;
}
