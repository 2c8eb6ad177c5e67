import type { ChatUsage } from '../proxy/chat-answer';

/** Anthropic's counts: what was read from the cache is beside the input, and not in it. */
export function messageUsage(usage: ChatUsage | null | undefined): object {
  const prompt = usage?.prompt_tokens ?? 0;
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? null;
  return {
    input_tokens: Math.max(0, prompt - (cached ?? 0)),
    output_tokens: usage?.completion_tokens ?? 0,
    ...(cached === null ? {} : { cache_read_input_tokens: cached }),
  };
}
