/** The metered endpoints and the constant paths they have at vLLM: no path is ever built from what a client sends. */
export const ENDPOINTS = {
  chat_completions: { upstreamPath: '/v1/chat/completions' },
  completions: { upstreamPath: '/v1/completions' },
} as const;

export type EndpointName = keyof typeof ENDPOINTS;
