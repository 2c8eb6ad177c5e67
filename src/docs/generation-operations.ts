import type { RequestBodyObject, ResponseObject, SchemaObject } from '@nestjs/swagger';
import type { DocumentedFailure } from '../common/api-problem.decorator';
import { CHAT_ANSWER, CHAT_STREAM, COMPLETION_ANSWER, COMPLETION_STREAM } from './generation-examples';

/** What the document says of a route whose body is not a DTO, because unknown fields must pass through it. */
export interface GenerationOperation {
  readonly summary: string;
  readonly description: string;
  readonly requestBody: RequestBodyObject;
  readonly success: ResponseObject;
}

const MODEL = 'opencode-llm';

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
  'Fields that are not listed here go to vLLM as they are, unless they would reach into its set-up.';

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
          properties: { ...COMMON, prompt: { type: 'string' } },
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
          required: ['model'],
          properties: { ...COMMON, messages: MESSAGES, tools: TOOLS, prompt: { type: 'string' } },
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
  'post /chat/completions': SESSION_CHAT,
};

/** What every generating route may answer, besides what its credential brings along. */
export const GENERATION_FAILURES: readonly DocumentedFailure[] = [
  { status: 400, code: 'invalid_json', message: 'The body must be a JSON object.' },
  {
    status: 401,
    code: 'account_inactive',
    message: 'The account was disabled or deleted, perhaps while this request ran. Ask an administrator.',
  },
  {
    status: 402,
    code: 'insufficient_quota',
    message: 'The token quota of your account is used up this month. It resets at the start of next month.',
  },
  { status: 403, code: 'request_ended', message: 'An administrator has ended this request.' },
  {
    status: 404,
    code: 'model_not_found',
    message: 'The model does not exist or this key may not use it. GET /v1/models lists what it may use.',
  },
  {
    status: 409,
    code: 'idempotency_key_in_use',
    message: 'A request with this Idempotency-Key is still running.',
  },
  {
    status: 429,
    code: 'quota_reserved',
    message: 'Other requests under way hold the rest of the token quota of your account. Retry shortly.',
  },
  { status: 429, code: 'rate_limit_exceeded', message: 'Too many requests this minute for your account.' },
  { status: 502, code: 'upstream_unreachable', message: 'The model server cannot be reached.' },
  { status: 502, code: 'upstream_error', message: 'The model server failed on this request.' },
  { status: 504, code: 'upstream_timeout', message: 'The model server did not answer in time.' },
];
