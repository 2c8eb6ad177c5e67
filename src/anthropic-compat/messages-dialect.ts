import type { Dialect } from '../proxy/dialect';
import { toLatin1 } from '../proxy/relay/model-name';
import { anthropicError } from './anthropic-error';
import type { ChatAnswer } from './chat-answer';
import { MessageEvents } from './message-events';
import { chatOfMessages, chatOfPrompt } from './messages-body';
import { wholeMessage } from './whole-message';

const parse = (latin1: string): ChatAnswer =>
  JSON.parse(Buffer.from(latin1, 'latin1').toString('utf8')) as ChatAnswer;

/** Anthropic's Messages: POST /v1/messages. */
export const MESSAGES: Dialect = {
  endpoint: 'messages',
  toChat: chatOfMessages,
  answer: (chat) => toLatin1(JSON.stringify(wholeMessage(parse(chat)))),
  refusal: (status, envelope) => {
    const { error } = parse(envelope);
    return toLatin1(JSON.stringify(anthropicError(status, String(error?.message))));
  },
  events: () => new MessageEvents(),
};

/** Its prompts alone, to be counted. */
export const COUNTED_MESSAGES: Dialect = { ...MESSAGES, toChat: chatOfPrompt };
