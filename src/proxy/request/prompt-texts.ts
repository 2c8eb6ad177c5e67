import type { CheckedBody } from './proxied-call';

/** The prompts of a completion: texts, or lists of token ids. A chat has none, whatever field of that name it sends along. */
export function promptTexts({
  endpoint,
  fields: { prompt },
}: Pick<CheckedBody, 'endpoint' | 'fields'>): (string | number[])[] {
  if (endpoint !== 'completions') return [];
  if (typeof prompt === 'string') return [prompt];
  if (!Array.isArray(prompt)) return [];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}

/** The sizes of those that came as token ids. */
export const tokenIdCounts = (body: Pick<CheckedBody, 'endpoint' | 'fields'>): number[] =>
  promptTexts(body)
    .filter((prompt) => Array.isArray(prompt))
    .map((ids) => ids.length);
