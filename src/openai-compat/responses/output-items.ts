import type { Status } from './response-object';
import type { ToolNames } from './response-tools';

export const textPart = (text: string): object => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs: [],
});

export const reasoningPart = (text: string): object => ({ type: 'reasoning_text', text });

export const messageItem = (id: string, status: Status, content: readonly object[]): object => ({
  id,
  type: 'message',
  status,
  role: 'assistant',
  content,
});

export const reasoningItem = (id: string, status: Status, content: readonly object[]): object => ({
  id,
  type: 'reasoning',
  status,
  summary: [],
  content,
});

export interface Call {
  readonly callId: string;
  /** As the model calls it. */
  readonly name: string;
}

/** Under the name that the client has for it. */
export function callItem(id: string, status: Status, call: Call, given: string, names: ToolNames): object {
  const { callId, name } = call;
  return {
    id,
    type: 'function_call',
    status,
    call_id: callId,
    ...(names.get(name) ?? { name }),
    arguments: given,
  };
}
