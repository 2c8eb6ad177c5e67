'use strict';

/** About 800 bytes of conversation, as a small real request has. */
const SYSTEM = 'You are a helpful assistant. Answer in one short paragraph. '.repeat(12);
const MAX_TOKENS = 200;

/**
 * The ways to ask for the same answer: the body, what stands in front of the text of an event, and what the last event
 * has.
 */
const CHAT = {
  body: (command) => ({
    messages: [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: command },
    ],
    max_tokens: MAX_TOKENS,
  }),
  text: '"content":"',
  last: 'data: [DONE]',
};
const MESSAGES = {
  body: (command) => ({
    system: SYSTEM,
    messages: [{ role: 'user', content: command }],
    max_tokens: MAX_TOKENS,
  }),
  text: '"text_delta","text":"',
  last: '"type":"message_stop"',
};
const RESPONSES = {
  body: (command) => ({
    instructions: SYSTEM,
    input: [{ role: 'user', content: command }],
    max_output_tokens: MAX_TOKENS,
  }),
  text: '"delta":"',
  last: '"type":"response.completed"',
};

const DIALECTS = { '/v1/messages': MESSAGES, '/v1/responses': RESPONSES };

/** @param path of a peer: any that takes chats */
const routeOf = (path) => DIALECTS[path] ?? CHAT;

module.exports = { DIALECTS, routeOf };
