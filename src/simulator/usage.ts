import type { Script } from './script';
import type { SimulatorSettings } from './simulator-settings';

export interface Counts {
  readonly prompt: number;
  readonly completion: number;
  readonly reasoning: number;
  readonly cached: number;
}

type Details = Pick<SimulatorSettings, 'reasoning' | 'promptTokensDetails'>;

/** The numbers in vLLM's order: prompt, total, completion. */
function numbers(counts: Counts, how: Script['usage']): Record<string, unknown> {
  if (how === 'bad') return { prompt_tokens: '12', total_tokens: null, completion_tokens: -3 };
  const completion = how === 'zero' ? 0 : counts.completion;
  return {
    prompt_tokens: counts.prompt,
    total_tokens: counts.prompt + completion,
    completion_tokens: completion,
  };
}

const reasoningDetails = (counts: Counts, details: Details) =>
  details.reasoning ? { reasoning_tokens: counts.reasoning } : null;

/** On the chunks of one choice; old completions have the three numbers only. */
export function continuousUsage(
  counts: Counts,
  details: Details,
  chat: boolean,
  how: Script['usage'],
): object {
  const usage = numbers(counts, how);
  return chat ? { ...usage, completion_tokens_details: reasoningDetails(counts, details) } : usage;
}

/** On the last chunk of a stream: fields that are not set are left out. */
export function finalUsage(counts: Counts, details: Details, chat: boolean, how: Script['usage']): object {
  return {
    ...numbers(counts, how),
    ...(details.promptTokensDetails
      ? {
          prompt_tokens_details: chat
            ? { cached_tokens: counts.cached, created_cache_tokens: 0 }
            : { cached_tokens: counts.cached },
        }
      : {}),
    ...(details.reasoning && chat ? { completion_tokens_details: reasoningDetails(counts, details) } : {}),
  };
}

/** Of a JSON answer: fields that are not set are null. */
export function wholeUsage(counts: Counts, details: Details, chat: boolean, how: Script['usage']): object {
  return {
    ...numbers(counts, how),
    prompt_tokens_details: details.promptTokensDetails
      ? {
          cached_tokens: counts.cached,
          created_cache_tokens: chat ? 0 : null,
          multimodal_tokens: null,
        }
      : null,
    completion_tokens_details: chat ? reasoningDetails(counts, details) : null,
  };
}
