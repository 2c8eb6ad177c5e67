import type { ChatChoice } from '../proxy/chat-answer';

export interface StopReason {
  readonly stop_reason: 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | null;
  readonly stop_sequence: string | null;
}

/**
 * Why an answer ended, in Anthropic's words and as vLLM's own /v1/messages says it (0.33): a call of a tool that a stop
 * sequence cut short must not be run, one that is complete shall be.
 */
export function stopReason(
  { finish_reason: finish, stop_reason: stopped }: ChatChoice,
  tools: { readonly used: boolean; readonly complete: boolean },
): StopReason {
  if (finish === 'length') return { stop_reason: 'max_tokens', stop_sequence: null };
  if (finish !== 'stop' && finish !== 'tool_calls') return { stop_reason: null, stop_sequence: null };
  if (tools.complete) return { stop_reason: 'tool_use', stop_sequence: null };
  // A number is the id of a token, such as the one that ends a turn.
  if (typeof stopped === 'string') return { stop_reason: 'stop_sequence', stop_sequence: stopped };
  const usedTool = finish === 'tool_calls' || tools.used;
  return { stop_reason: usedTool ? 'tool_use' : 'end_turn', stop_sequence: null };
}
