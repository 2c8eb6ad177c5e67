import type { ParameterObject, RequestBodyObject, ResponseObject, SchemaObject } from '@nestjs/swagger';
import { CHAT_ANSWER, CHAT_STREAM, COMPLETION_ANSWER, COMPLETION_STREAM } from './generation-examples';
import { CREATE_MESSAGE } from './message-operations';
import { EMBED, RERANK, SCORE } from './pooling-operations';
import { CREATE_RESPONSE } from './response-operations';

/** What the document says of a route whose body is not a DTO, because unknown fields must pass through it. */
export interface GenerationOperation {
  readonly summary: string;
  readonly description: string;
  readonly requestBody: RequestBodyObject;
  readonly success: ResponseObject;
}

const MODEL = 'opencode-llm';

const PROMPT: SchemaObject = {
  description: 'A text, token ids, or up to 256 of them',
  oneOf: [
    { type: 'string' },
    { type: 'array', items: { type: 'string' } },
    { type: 'array', items: { type: 'integer' } },
    { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
  ],
};

const COMMON: Record<string, SchemaObject> = {
  model: { type: 'string', example: MODEL, description: 'One of GET /v1/models' },
  stream: { type: 'boolean', default: false },
  stream_options: { type: 'object', properties: { include_usage: { type: 'boolean' } } },
  max_tokens: { type: 'integer', minimum: 0, description: 'Lowered to what the model and your limits allow' },
  temperature: { type: 'number' },
  n: { type: 'integer', minimum: 1, maximum: 8 },
  stop: { oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
  seed: { type: 'integer' },
};

const MESSAGES: SchemaObject = {
  type: 'array',
  items: {
    type: 'object',
    required: ['role'],
    properties: {
      role: { type: 'string', enum: ['system', 'developer', 'user', 'assistant', 'tool'] },
      content: { description: 'Text, or a list of parts; images only as data URLs' },
    },
  },
};

const TOOLS: SchemaObject = {
  type: 'array',
  items: { type: 'object' },
  description: 'Functions the model may call',
};

const CHAT_EXAMPLES = {
  question: {
    summary: 'A question',
    value: {
      model: MODEL,
      max_tokens: 64,
      messages: [{ role: 'user', content: 'Say hello in one sentence.' }],
    },
  },
  stream: {
    summary: 'A stream that ends with its usage',
    value: {
      model: MODEL,
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: 'Count from one to five.' }],
    },
  },
  tool: {
    summary: 'A tool the model may call',
    value: {
      model: MODEL,
      max_tokens: 128,
      messages: [{ role: 'user', content: 'What is the weather in Bonn?' }],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          },
        },
      ],
    },
  },
};

const PROMPT_EXAMPLES = {
  prompt: {
    summary: 'A text to go on with',
    value: { model: MODEL, max_tokens: 32, prompt: 'Once upon a time' },
  },
};

const chatBody: RequestBodyObject = {
  required: true,
  content: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['model', 'messages'],
        properties: { ...COMMON, messages: MESSAGES, tools: TOOLS },
        additionalProperties: true,
      },
      examples: CHAT_EXAMPLES,
    },
  },
};

const PASSING_ON =
  'Other fields that vLLM knows go there as they are, but for those that would reach into its set-up (400, with the ' +
  "reason) or into others' requests (left out). What the gateway does not know is left out.";

const chatSuccess: ResponseObject = {
  description: 'The answer, or its stream when `stream` is true',
  content: {
    'application/json': { schema: { type: 'object' }, example: CHAT_ANSWER },
    'text/event-stream': { schema: { type: 'string' }, example: CHAT_STREAM },
  },
};

const CHAT: GenerationOperation = {
  summary: 'Chat',
  description: `As OpenAI's chat completions. ${PASSING_ON}`,
  requestBody: chatBody,
  success: chatSuccess,
};

const COMPLETE: GenerationOperation = {
  summary: 'Complete a text',
  description: `As OpenAI's completions. ${PASSING_ON}`,
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['model', 'prompt'],
          properties: { ...COMMON, prompt: PROMPT },
          additionalProperties: true,
        },
        examples: PROMPT_EXAMPLES,
      },
    },
  },
  success: {
    description: 'The answer, or its stream when `stream` is true',
    content: {
      'application/json': { schema: { type: 'object' }, example: COMPLETION_ANSWER },
      'text/event-stream': { schema: { type: 'string' }, example: COMPLETION_STREAM },
    },
  },
};

const SESSION_CHAT: GenerationOperation = {
  ...CHAT,
  summary: 'Chat with a session instead of an API key',
  description:
    'The same as POST /v1/chat/completions; with `prompt` and no `messages`, as POST /v1/completions.',
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          properties: { ...COMMON, messages: MESSAGES, tools: TOOLS, prompt: PROMPT },
          additionalProperties: true,
        },
        examples: { ...CHAT_EXAMPLES, ...PROMPT_EXAMPLES },
      },
    },
  },
};

export const GENERATION_OPERATIONS: Readonly<Record<string, GenerationOperation>> = {
  'post /v1/chat/completions': CHAT,
  'post /v1/completions': COMPLETE,
  'post /v1/embeddings': EMBED,
  'post /v1/rerank': RERANK,
  'post /v1/score': SCORE,
  'post /v1/messages': CREATE_MESSAGE,
  'post /v1/responses': CREATE_RESPONSE,
  'post /chat/completions': SESSION_CHAT,
};

/** Headers that mean something on all of them. */
export const GENERATION_PARAMETERS: ParameterObject[] = [
  {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    schema: { type: 'string', maxLength: 255 },
    description:
      'A name for this request and its repetitions: while one of them runs, another is refused with 409',
  },
];
