/** What vLLM called a message's reasoning before, as many clients still do. */
const ALIAS = 'reasoning_content';

interface Message {
  readonly content?: unknown;
  readonly reasoning?: unknown;
  readonly [ALIAS]?: unknown;
}

/**
 * Messages as vLLM's chat reads them and its /tokenize does not. The earlier name of their reasoning counts where the new
 * one says nothing; templates keep reasoning in chains of tool calls, so a prompt may be mostly that. And where the content
 * is null, its calls of tools are lost to models that vLLM renders from the raw messages: by what its types make of
 * them, they can be read once. Without a content they are counted.
 * @returns null when there is no such message
 */
export function countedMessages(messages: unknown): object[] | null {
  if (!Array.isArray(messages) || !(messages as Message[]).some(isReadOtherwise)) return null;
  return (messages as Message[]).map(({ [ALIAS]: earlier, content, ...message }) => ({
    ...message,
    ...(content === null ? {} : { content }),
    reasoning: message.reasoning ?? earlier,
  }));
}

const isReadOtherwise = (message: Message): boolean => ALIAS in message || message.content === null;
