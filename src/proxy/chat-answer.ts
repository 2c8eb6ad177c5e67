/** The parts of vLLM's chat answers and of its events that answers of other dialects are made of. */
export interface ChatUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number | null;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number | null } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number | null } | null;
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
  readonly created?: number;
  readonly model?: string;
  readonly choices?: readonly ChatChoice[];
  readonly usage?: ChatUsage | null;
  readonly error?: { readonly message?: unknown; readonly code?: unknown };
}

export const reasoningOf = ({ reasoning, reasoning_content }: ChatMessage): string =>
  reasoning ?? reasoning_content ?? '';

const DATA = 'data: ';

/** @param latin1 one character a byte; @throws SyntaxError for what is no JSON */
export const parsedAnswer = (latin1: string): ChatAnswer =>
  JSON.parse(Buffer.from(latin1, 'latin1').toString('utf8')) as ChatAnswer;

/** @returns null for what is no event of vLLM's */
export function parsedEvent(frame: string): ChatAnswer | null {
  try {
    return parsedAnswer(frame.slice(DATA.length)) as ChatAnswer | null;
  } catch {
    return null;
  }
}
