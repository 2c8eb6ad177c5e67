import { parsedAnswer } from '../proxy/chat-answer';
import type { AnswerDialect, Dialect } from '../proxy/dialect';
import { toLatin1 } from '../proxy/relay/model-name';
import { anthropicError } from './anthropic-error';
import { MessageEvents } from './message-events';
import { chatOfMessages, chatOfPrompt } from './messages-body';
import { wholeMessage } from './whole-message';

/** Nothing of what was asked stands in the answer. */
const ANSWERS: AnswerDialect = {
  endpoint: 'messages',
  answer: (chat) => toLatin1(JSON.stringify(wholeMessage(parsedAnswer(chat)))),
  refusal: (status, envelope) => {
    const { error } = parsedAnswer(envelope);
    return toLatin1(JSON.stringify(anthropicError(status, String(error?.message))));
  },
  events: () => new MessageEvents(),
};

/** Anthropic's Messages: POST /v1/messages. */
export const MESSAGES: Dialect = { read: (fields) => ({ chat: chatOfMessages(fields), answers: ANSWERS }) };

/** Its prompts alone, to be counted. */
export const COUNTED_MESSAGES: Dialect = {
  read: (fields) => ({ chat: chatOfPrompt(fields), answers: ANSWERS }),
};
