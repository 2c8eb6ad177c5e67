import { parsedAnswer } from '../../proxy/chat-answer';
import type { Dialect } from '../../proxy/dialect';
import { toLatin1 } from '../../proxy/relay/model-name';
import { ResponseEvents } from './response-events';
import { echoOf } from './echo';
import { chatTools } from './response-tools';
import { chatOfResponse } from './responses-body';
import { wholeResponse } from './whole-response';

/** OpenAI's Responses: POST /v1/responses. */
export const RESPONSES: Dialect = {
  read: (fields) => {
    const tools = chatTools(fields.tools);
    const chat = chatOfResponse(fields, tools);
    const told = { echo: echoOf(fields), names: tools.names };
    return {
      chat,
      answers: {
        endpoint: 'responses',
        answer: (answer) => toLatin1(JSON.stringify(wholeResponse(parsedAnswer(answer), told))),
        refusal: (_, envelope) => envelope,
        events: () => new ResponseEvents(told),
      },
    };
  },
};
