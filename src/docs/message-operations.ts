import type { SchemaObject } from '@nestjs/swagger';
import type { GenerationOperation } from './generation-operations';

const MODEL = 'opencode-llm';

/** What decides over the length of a prompt. */
export const PROMPT_OF_MESSAGES: Record<string, SchemaObject> = {
  model: { type: 'string', example: MODEL, description: 'One of GET /v1/models' },
  system: { description: 'A text, or a list of blocks of text' },
  messages: {
    type: 'array',
    items: {
      type: 'object',
      required: ['role', 'content'],
      properties: {
        role: { type: 'string', enum: ['user', 'assistant', 'system'] },
        content: {
          description:
            'A text, or a list of blocks: text, image (base64), tool_use, tool_result, thinking, redacted_thinking',
        },
      },
    },
  },
  tools: { type: 'array', items: { type: 'object' }, description: 'Tools with an input_schema' },
  tool_choice: { type: 'object' },
  thinking: {
    type: 'object',
    description: '`enabled` and `disabled` tell the template of the model; a budget is not passed on',
  },
  output_config: { type: 'object', description: '`format` (json_schema) and `effort`' },
};

const ANSWER = {
  id: 'chatcmpl-8f2c1d',
  type: 'message',
  role: 'assistant',
  model: MODEL,
  content: [{ type: 'text', text: 'Hello, and welcome!' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 14, output_tokens: 6 },
};

const event = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;

const STREAM =
  event('message_start', {
    message: { ...ANSWER, content: [], stop_reason: null, usage: { input_tokens: 14, output_tokens: 0 } },
  }) +
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } }) +
  event('content_block_stop', { index: 0 }) +
  event('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { input_tokens: 14, output_tokens: 1 },
  }) +
  event('message_stop', {});

export const CREATE_MESSAGE: GenerationOperation = {
  summary: "Chat, as Anthropic's clients ask",
  description:
    "As Anthropic's Messages: for Claude Code and Anthropic's SDKs. It is the same to limits and usage as " +
    "POST /v1/chat/completions, which vLLM is asked for. Tools of Anthropic's own, links to images and MCP servers are " +
    'refused; fields that mean nothing here are left out.',
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['model', 'max_tokens', 'messages'],
          properties: {
            ...PROMPT_OF_MESSAGES,
            max_tokens: {
              type: 'integer',
              minimum: 1,
              description: 'Lowered to what the model and your limits allow',
            },
            stream: { type: 'boolean', default: false },
            stop_sequences: { type: 'array', items: { type: 'string' } },
            temperature: { type: 'number' },
            top_p: { type: 'number' },
            top_k: { type: 'integer' },
          },
          additionalProperties: true,
        },
        examples: {
          question: {
            summary: 'A question',
            value: {
              model: MODEL,
              max_tokens: 64,
              messages: [{ role: 'user', content: 'Say hello in one sentence.' }],
            },
          },
          stream: {
            summary: 'A stream',
            value: {
              model: MODEL,
              max_tokens: 64,
              stream: true,
              system: 'You count.',
              messages: [{ role: 'user', content: 'Count from one to five.' }],
            },
          },
        },
      },
    },
  },
  success: {
    description: 'The message, or its stream when `stream` is true',
    content: {
      'application/json': { schema: { type: 'object' }, example: ANSWER },
      'text/event-stream': { schema: { type: 'string' }, example: STREAM },
    },
  },
};
