import { ApiError } from './api-error';
import { laxNumber } from './lax-values';

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
}

/** The values vLLM refuses, in its words. Too many logprobs of a stream are no refusal here: they fail in the stream. */
export function checkSampling(body: Readonly<Record<string, unknown>>, sampling: Sampling): void {
  const { n, temperature, stop, logprobs, stream } = sampling;
  if (body.chat_template !== undefined && body.chat_template !== null)
    refuse(
      null,
      'Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with untrusted chat template.',
    );
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
  if (stop.includes('')) refuse(null, 'stop cannot contain an empty string.');
  if (stream && typeof body.prompt_logprobs === 'number' && body.prompt_logprobs > 0)
    refuse('prompt_logprobs', '`prompt_logprobs` are not available when `stream=True`.');
  if (!stream && logprobs !== null && logprobs > MAX_LOGPROBS) throw tooManyLogprobs(logprobs);
  checkCacheSalt(body.cache_salt);
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

interface Window {
  readonly promptTokens: number;
  readonly asked: Readonly<Record<'max_tokens' | 'max_completion_tokens', number | undefined>>;
  /** Tokens when nothing was asked; null = all that is left. */
  readonly fallback: number | null;
  readonly window: number;
  readonly overflow: 'clamp' | 'refuse';
  /** `echo` with max_tokens 0 is allowed, and generates one token. */
  readonly echoOnly: boolean;
}

/** Returns how many tokens may be generated. */
export function checkWindow(given: Window): number {
  const { promptTokens, window, asked } = given;
  const field = asked.max_completion_tokens === undefined ? 'max_tokens' : 'max_completion_tokens';
  const wanted = asked[field] ?? given.fallback;
  if (wanted === 0 && given.echoOnly) return 1;
  if (wanted !== null && wanted < 1)
    throw ApiError.badRequest('max_tokens', `max_tokens must be at least 1, got ${wanted}.`, wanted);
  if (wanted !== null && wanted > window)
    throw ApiError.badRequest(
      'max_tokens',
      `${field}=${wanted} cannot be greater than max_model_len=${window}. Please request fewer output tokens.`,
      wanted,
    );
  const maximum = `This model's maximum context length is ${window} tokens. However, `;
  if (promptTokens > window)
    throw ApiError.badRequest(
      'input_tokens',
      `${maximum}your prompt contains at least ${window + 1} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.`,
      window + 1,
    );
  if (promptTokens === window)
    throw ApiError.badRequest('max_tokens', 'max_tokens must be at least 1, got 0.', 0);
  const left = window - promptTokens;
  if (wanted === null || wanted <= left) return wanted ?? left;
  if (given.overflow === 'clamp') return left;
  throw ApiError.badRequest(
    'input_tokens',
    `${maximum}you requested ${wanted} output tokens and your prompt contains ${promptTokens} input tokens, for a total of ${promptTokens + wanted} tokens. Please reduce the length of the input prompt or the number of requested output tokens.`,
    promptTokens,
  );
}

/** As Python prints a float. */
function float(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
