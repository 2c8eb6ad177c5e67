import { ApiError } from './api-error';
import { laxInteger, laxNumber } from './lax-values';

const MAX_N = 16_384;
const MAX_LOGPROBS = 20;
const CACHE_SALT_LENGTH = 128;

const refuse = (param: string | null, message: string, value?: unknown): never => {
  throw ApiError.badRequest(param, message, value);
};

interface Sampling {
  readonly n: number;
  readonly temperature: number;
  readonly stop: readonly string[];
  readonly logprobs: number | null;
  readonly stream: boolean;
  readonly maxTokens: number;
}

const within = (low: number, high: number) => (value: number) => value >= low && value <= high;

const RANGES = [
  { field: 'presence_penalty', holds: within(-2, 2), rule: 'must be in [-2, 2]' },
  { field: 'frequency_penalty', holds: within(-2, 2), rule: 'must be in [-2, 2]' },
  { field: 'min_p', holds: within(0, 1), rule: 'must be in [0, 1]' },
  {
    field: 'repetition_penalty',
    holds: (value: number) => value > 0,
    rule: 'must be greater than zero',
  },
];

/** The values vLLM refuses, in its words. Too many logprobs of a stream are no refusal here: they fail in the stream. */
export function checkSampling(body: Readonly<Record<string, unknown>>, sampling: Sampling): void {
  const { n, temperature, stop, logprobs, stream } = sampling;
  if (n < 1) refuse(null, `n must be at least 1, got ${n}.`);
  if (n > MAX_N)
    refuse(
      null,
      `n must be at most ${MAX_N}, got ${n}. To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable.`,
    );
  if (temperature < 0)
    refuse('temperature', `temperature must be non-negative, got ${float(temperature)}.`, float(temperature));
  if (temperature > 2)
    refuse('temperature', `temperature must be in [0, 2], got ${float(temperature)}.`, float(temperature));
  if (n > 1 && temperature === 0) refuse(null, `n must be 1 when using greedy sampling, got ${n}.`);
  const topP = laxNumber(body.top_p, 'body.top_p') ?? 1;
  if (topP <= 0 || topP > 1) refuse('top_p', `top_p must be in (0, 1], got ${float(topP)}.`, float(topP));
  for (const { field, holds, rule } of RANGES) {
    const value = laxNumber(body[field], `body.${field}`);
    if (value !== undefined && !holds(value)) refuse(null, `${field} ${rule}, got ${float(value)}.`);
  }
  checkCounts(body, sampling.maxTokens);
  if (stop.includes('')) refuse(null, 'stop cannot contain an empty string.');
  checkPromptLogprobs(body.prompt_logprobs, stream);
  if (!stream && logprobs !== null && logprobs > MAX_LOGPROBS) throw tooManyLogprobs(logprobs);
  checkCacheSalt(body.cache_salt);
}

function checkCounts(body: Readonly<Record<string, unknown>>, maxTokens: number): void {
  const topK = laxInteger(body.top_k, 'body.top_k') ?? 0;
  if (topK < -1) refuse(null, `top_k must be 0 (disable), or at least 1, got ${topK}.`);
  const minTokens = laxInteger(body.min_tokens, 'body.min_tokens') ?? 0;
  if (minTokens < 0) refuse(null, `min_tokens must be greater than or equal to 0, got ${minTokens}.`);
  if (minTokens > maxTokens)
    refuse(null, `min_tokens must be less than or equal to max_tokens=${maxTokens}, got ${minTokens}.`);
}

function checkPromptLogprobs(value: unknown, stream: boolean): void {
  if (value === undefined || value === null) return;
  const asked = typeof value === 'boolean' ? Number(value) : value;
  if (typeof asked !== 'number')
    throw ApiError.badRequest('prompt_logprobs', '`prompt_logprobs` must be an integer.', value);
  if (stream && asked > 0)
    refuse('prompt_logprobs', '`prompt_logprobs` are not available when `stream=True`.');
  if (asked < -1) refuse('prompt_logprobs', '`prompt_logprobs` must be a positive value or -1.', asked);
}

export function tooManyLogprobs(asked: number): ApiError {
  return ApiError.badRequest(
    'logprobs',
    `Requested sample logprobs of ${asked}, which is greater than max allowed: ${MAX_LOGPROBS}`,
    asked,
  );
}

export function exceedsLogprobs(asked: number | null): asked is number {
  return asked !== null && asked > MAX_LOGPROBS;
}

function checkCacheSalt(salt: unknown): void {
  if (salt === undefined || salt === null) return;
  if (typeof salt !== 'string' || salt === '')
    throw ApiError.badRequest('cache_salt', "Parameter 'cache_salt' must be a non-empty string if provided.");
  if (salt.length > CACHE_SALT_LENGTH || /[@/\\\0]/.test(salt))
    throw ApiError.badRequest(
      'cache_salt',
      "Parameter 'cache_salt' must be at most 128 characters and must not contain '@', '/', '\\\\', or NUL.",
    );
}

/** As Python prints a float. */
function float(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
