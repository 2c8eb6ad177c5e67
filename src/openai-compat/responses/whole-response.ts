import { randomUUID } from 'node:crypto';
import { ChatAnswer, reasoningOf } from '../../proxy/chat-answer';
import { callItem, messageItem, reasoningItem, reasoningPart, textPart } from './output-items';
import { endingOf, itemId, responseOf, Status, Told } from './response-object';

/** A whole answer of chat completions as the response it is. */
export function wholeResponse(chat: ChatAnswer, told: Told): object {
  const id = chat.id ?? randomUUID();
  const choice = chat.choices?.[0] ?? {};
  const { message = {} } = choice;
  const drafts: ((at: number, status: Status) => object)[] = [];
  const thoughts = reasoningOf(message);
  if (thoughts)
    drafts.push((at, status) => reasoningItem(itemId('rs', id, at), status, [reasoningPart(thoughts)]));
  const { content } = message;
  if (content) drafts.push((at, status) => messageItem(itemId('msg', id, at), status, [textPart(content)]));
  for (const { id: callId, function: called } of message.tool_calls ?? [])
    drafts.push((at, status) => {
      const own = itemId('fc', id, at);
      const call = { callId: callId ?? own, name: called?.name ?? '' };
      return callItem(own, status, call, called?.arguments ?? '', told.names);
    });
  const ending = endingOf(choice.finish_reason);
  // Only the last one can have been cut short.
  const output = drafts.map((make, at) => make(at, at === drafts.length - 1 ? ending.status : 'completed'));
  return responseOf(chat, told, { id, output, usage: chat.usage ?? null, ending });
}
