import type { Dialect } from './dialect';

const GENERATED = { max_tokens: 1 };

/**
 * The metered endpoints and the constant paths they have at vLLM: no path is ever built from what a client sends. `least` is
 * the smallest request there is, without its model.
 */
export const ENDPOINTS = {
  chat_completions: {
    upstreamPath: '/v1/chat/completions',
    least: { messages: [{ role: 'user', content: '1' }], ...GENERATED },
  },
  completions: { upstreamPath: '/v1/completions', least: { prompt: '1', ...GENERATED } },
  embeddings: { upstreamPath: '/v1/embeddings', least: { input: '1' } },
  rerank: { upstreamPath: '/v1/rerank', least: { query: '1', documents: ['1'] } },
  score: { upstreamPath: '/v1/score', least: { text_1: '1', text_2: '1' } },
} as const;

export type EndpointName = keyof typeof ENDPOINTS;

/** vLLM reads what they are sent once, and generates nothing. */
export type PooledEndpoint = Exclude<EndpointName, 'chat_completions' | 'completions'>;

const GENERATES: ReadonlySet<EndpointName> = new Set(['chat_completions', 'completions']);

export const isPooled = (endpoint: EndpointName): endpoint is PooledEndpoint => !GENERATES.has(endpoint);

/** The smallest request to a path of vLLM, without its model. */
export function leastRequest(upstreamPath: string): object {
  const endpoint = Object.values(ENDPOINTS).find((one) => one.upstreamPath === upstreamPath);
  return (endpoint ?? ENDPOINTS.chat_completions).least;
}

/** How a route's requests are read and its answers written. */
export interface Metered {
  /** null: decided by the body (POST /chat/completions) */
  readonly endpoint: EndpointName | null;
  /** null: OpenAI's, as vLLM's own */
  readonly dialect: Dialect | null;
}
