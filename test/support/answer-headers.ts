/** All headers that an answer may carry; whatever vLLM says beyond them stays here. */
export const ANSWER_HEADERS = [
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'retry-after',
  'transfer-encoding',
  'x-accel-buffering',
  'x-content-type-options',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'x-request-id',
];
