import { ApiError } from './api-error';
import { optionalList, optionalString } from './lax-values';
import type { Prompt } from './prompt';
import { textPrompt } from './prompt';
import { VOCABULARY } from './tokenizer';

const MAX_PROMPTS = 1_024;

/** The prompts of /v1/completions: a text, token ids, or a list of either. @throws ApiError */
export function readPrompts(body: Readonly<Record<string, unknown>>, fillsInTheMiddle: boolean): Prompt[] {
  const suffix = optionalString(body.suffix, 'body.suffix');
  if (suffix !== undefined && !fillsInTheMiddle)
    throw new ApiError(
      400,
      'BadRequestError',
      'suffix',
      'suffix is only supported for models with FIM completion rendering',
    );
  if (body.prompt_embeds !== undefined && body.prompt_embeds !== null)
    throw ApiError.badRequest(
      'prompt_embeds',
      'You must set `--enable-prompt-embeds` to input `prompt_embeds`.',
    );
  const prompts = promptsOf(body.prompt);
  return suffix === undefined ? prompts : prompts.map((prompt) => around(prompt, suffix));
}

/** Each prompt with the suffix behind it, and marks for a model that fills in what is missing between them. */
function around(prompt: Prompt, suffix: string): Prompt {
  const end = textPrompt(suffix);
  return {
    ...prompt,
    tokens: ['<|fim_begin|>', ...prompt.tokens, '<|fim_hole|>', ...end.tokens, '<|fim_end|>'],
    characters: prompt.characters + end.characters,
  };
}

function promptsOf(prompt: unknown): Prompt[] {
  if (prompt === undefined || prompt === null || prompt === '')
    throw ApiError.badRequest('prompt', 'Either prompt or prompt_embeds must be provided and non-empty.');
  if (typeof prompt === 'string') return [textPrompt(prompt)];
  const list = optionalList(prompt, 'body.prompt') ?? [];
  if (list.length === 0) throw ApiError.badRequest('prompt', 'You must pass at least one prompt');
  if (list.every((entry) => Number.isInteger(entry))) return [idsPrompt(list as number[], 'body.prompt')];
  if (list.length > MAX_PROMPTS)
    throw ApiError.badRequest(
      'prompt',
      `prompt list length ${list.length} exceeds the maximum allowed count of ${MAX_PROMPTS}. To increase this limit, set the VLLM_MAX_COMPLETION_PROMPTS environment variable.`,
    );
  return list.map((entry, index) => oneOf(entry, `body.prompt.${index}`));
}

function oneOf(entry: unknown, at: string): Prompt {
  if (typeof entry !== 'string' && !Array.isArray(entry))
    throw ApiError.validation({
      kind: 'string_type',
      at,
      text: 'Input should be a valid string',
      input: entry,
    });
  if (entry.length === 0) throw ApiError.badRequest(null, 'The decoder prompt cannot be empty');
  return typeof entry === 'string' ? textPrompt(entry) : idsPrompt(entry as number[], at);
}

function idsPrompt(ids: readonly number[], at: string): Prompt {
  const negative = ids.findIndex((id) => id < 0);
  if (negative >= 0)
    throw ApiError.validation({
      kind: 'greater_than_equal',
      at: `${at}.${negative}`,
      text: 'Input should be greater than or equal to 0',
      input: ids[negative],
      context: "{'ge': 0}",
    });
  const unknown = ids.find((id) => id >= VOCABULARY);
  if (unknown !== undefined) throw ApiError.badRequest(null, `Token id ${unknown} is out of vocabulary`);
  return textPrompt(ids);
}
