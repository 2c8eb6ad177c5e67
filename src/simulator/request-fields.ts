import { ApiError } from './api-error';
import { laxBoolean, laxInteger, optionalList, optionalObject, optionalString } from './lax-values';

type Body = Readonly<Record<string, unknown>>;

/** @throws ApiError when options are given without a stream */
export function readStreamOptions(body: Body, stream: boolean) {
  const options = optionalObject(body.stream_options, 'body.stream_options');
  const given = options !== undefined && Object.keys(options).length > 0;
  // The raw value decides here: the text "false" counts as given.
  if (given && !stream && typeof body.stream !== 'string')
    throw ApiError.badRequest('stream_options', 'Stream options can only be defined when `stream=True`.');
  return {
    includeUsage: laxBoolean(options?.include_usage, 'body.stream_options.include_usage'),
    continuous: laxBoolean(options?.continuous_usage_stats, 'body.stream_options.continuous_usage_stats'),
  };
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
  if (endpoint === 'completions') return laxInteger(body.logprobs, 'body.logprobs') ?? null;
  const wanted = laxBoolean(body.logprobs, 'body.logprobs') ?? false;
  const top = laxInteger(body.top_logprobs, 'body.top_logprobs') ?? 0;
  if (top !== 0 && !wanted)
    throw ApiError.badRequest('top_logprobs', 'when using `top_logprobs`, `logprobs` must be set to true.');
  return wanted ? top : null;
}

/** The names of the tools offered, and the tools as they were given. @throws ApiError */
export function readTools(body: Body): { names: string[]; list: unknown[] | undefined } {
  const list = optionalList(body.tools, 'body.tools');
  if (list?.length === 0)
    throw ApiError.badRequest(
      'tools',
      '`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.',
    );
  const choice = body.tool_choice;
  if (!list && choice !== undefined && choice !== null && choice !== 'none')
    throw ApiError.badRequest('tool_choice', 'When using `tool_choice`, `tools` must be set.');
  const names = (list ?? []).map((tool, index) => {
    const name = (tool as { function?: { name?: unknown } } | null)?.function?.name;
    if (typeof name === 'string') return name;
    const at = `body.tools.${index}.function.name`;
    throw ApiError.validation({ kind: 'missing', at, text: 'Field required', input: {} });
  });
  const named = (choice as { function?: { name?: unknown } } | null | undefined)?.function?.name;
  if (named !== undefined && !names.includes(String(named)))
    throw ApiError.badRequest(
      'tool_choice',
      'The tool specified in `tool_choice` does not match any of the specified `tools`',
    );
  return { names, list };
}
