/** The parts of vLLM's chat answers and of its events that messages are made of. */
export interface ChatUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number | null;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number | null } | null;
}

export interface ChatToolCall {
  readonly index?: number;
  readonly id?: string | null;
  readonly function?: { readonly name?: string | null; readonly arguments?: string | null } | null;
}

export interface ChatMessage {
  readonly content?: string | null;
  readonly reasoning?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly ChatToolCall[] | null;
}

export interface ChatChoice {
  readonly message?: ChatMessage;
  readonly delta?: ChatMessage;
  readonly finish_reason?: string | null;
  readonly stop_reason?: string | number | null;
}

export interface ChatAnswer {
  readonly id?: string;
  readonly model?: string;
  readonly choices?: readonly ChatChoice[];
  readonly usage?: ChatUsage | null;
  readonly error?: { readonly message?: unknown; readonly code?: unknown };
}

export const reasoningOf = ({ reasoning, reasoning_content }: ChatMessage): string =>
  reasoning ?? reasoning_content ?? '';

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
