import { randomUUID } from 'node:crypto';
import { ChatAnswer, ChatToolCall, reasoningOf } from '../proxy/chat-answer';
import { messageUsage } from './message-usage';
import { stopReason } from './stop-reason';

/** A whole answer of chat completions as the message it is. */
export function wholeMessage({ id, model, choices, usage }: ChatAnswer): object {
  const choice = choices?.[0] ?? {};
  const { message = {} } = choice;
  const calls = message.tool_calls ?? [];
  const thinking = reasoningOf(message);
  const content = [
    ...(thinking ? [{ type: 'thinking', thinking, signature: randomUUID() }] : []),
    ...(message.content ? [{ type: 'text', text: message.content }] : []),
    ...calls.map(toolUse),
  ];
  const complete = calls.length > 0 && calls.every((call) => inputOf(call) !== null);
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    // Clients take it for granted that there is a first block.
    content: content.length > 0 ? content : [{ type: 'text', text: '' }],
    ...stopReason(choice, { used: calls.length > 0, complete }),
    usage: messageUsage(usage),
  };
}

const toolUse = (call: ChatToolCall): object => ({
  type: 'tool_use',
  id: call.id,
  name: call.function?.name,
  // A call that max_tokens cut short is no JSON.
  input: inputOf(call) ?? {},
});

function inputOf({ function: called }: ChatToolCall): object | null {
  return parsedInput(called?.arguments ?? '');
}

/** @returns null for what is not the JSON of an object */
export function parsedInput(text: string): object | null {
  try {
    const input: unknown = JSON.parse(text || '{}');
    return typeof input === 'object' && input !== null && !Array.isArray(input) ? input : null;
  } catch {
    return null;
  }
}
