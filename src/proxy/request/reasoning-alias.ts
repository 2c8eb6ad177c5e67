/** What vLLM called a message's reasoning before, as many clients still do. */
const ALIAS = 'reasoning_content';

interface Message {
  readonly reasoning?: unknown;
  readonly [ALIAS]?: unknown;
}

/**
 * Messages as vLLM's chat reads them and its /tokenize does not: the earlier name of their reasoning counts where the new
 * one says nothing. Templates keep reasoning in chains of tool calls, so a prompt may be mostly that.
 * @returns null when no message has the earlier name
 */
export function withReasoningRenamed(messages: unknown): Message[] | null {
  if (!Array.isArray(messages) || !messages.some((message: object) => ALIAS in message)) return null;
  return messages.map(({ [ALIAS]: earlier, ...message }: Message) => ({
    ...message,
    reasoning: message.reasoning ?? earlier,
  }));
}
