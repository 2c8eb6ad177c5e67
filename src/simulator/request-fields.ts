import { ApiError } from './api-error';
import { laxBoolean, laxInteger, optionalObject, optionalString } from './lax-values';
import { VOCABULARY } from './tokenizer';

type Body = Readonly<Record<string, unknown>>;

/** @throws ApiError when options are given without a stream */
export function readStreamOptions(body: Body, stream: boolean) {
  const given = body.stream_options;
  // The raw values decide here, before their form does: the text "false" is a stream, the number 5 is an option.
  if (isTruthy(given) && !stream && typeof body.stream !== 'string')
    throw ApiError.badRequest('stream_options', 'Stream options can only be defined when `stream=True`.');
  const options = optionalObject(given, 'body.stream_options');
  return {
    includeUsage: laxBoolean(options?.include_usage, 'body.stream_options.include_usage'),
    continuous: laxBoolean(options?.continuous_usage_stats, 'body.stream_options.continuous_usage_stats'),
  };
}

/** As Python sees it: what is empty is false. */
function isTruthy(value: unknown): boolean {
  return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

const MAX_STOP_STRINGS = 4;

export function readStop(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [value];
  const notText = {
    kind: 'string_type',
    at: 'body.stop',
    text: 'Input should be a valid string',
    input: value,
  };
  if (!Array.isArray(value))
    throw ApiError.validation(notText, {
      kind: 'list_type',
      at: 'body.stop',
      text: 'Input should be a valid list',
      input: value,
    });
  if (value.length > MAX_STOP_STRINGS)
    throw ApiError.validation(notText, {
      kind: 'too_long',
      at: 'body.stop',
      text: `List should have at most ${MAX_STOP_STRINGS} items after validation, not ${value.length}`,
      input: value,
    });
  return value.map((entry, index) => optionalString(entry, `body.stop.${index}`) ?? '');
}

/** The alternatives asked for; null when no logprobs are wanted. */
export function readLogprobs(endpoint: 'chat' | 'completions', body: Body): number | null {
  if (endpoint === 'completions')
    return orWholeVocabulary(laxInteger(body.logprobs, 'body.logprobs') ?? null);
  const wanted = laxBoolean(body.logprobs, 'body.logprobs') ?? false;
  if (typeof body.top_logprobs === 'string')
    throw ApiError.badRequest('top_logprobs', '`top_logprobs` must be an integer.', body.top_logprobs);
  const top = laxInteger(body.top_logprobs, 'body.top_logprobs') ?? 0;
  if (top < -1)
    throw ApiError.badRequest('top_logprobs', '`top_logprobs` must be a positive value or -1.', top);
  if (top !== 0 && !wanted)
    throw ApiError.badRequest('top_logprobs', 'when using `top_logprobs`, `logprobs` must be set to true.');
  return wanted ? orWholeVocabulary(top) : null;
}

const orWholeVocabulary = (top: number | null) => (top === -1 ? VOCABULARY : top);
