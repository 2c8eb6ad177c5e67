import type { GenerationOperation } from './generation-operations';

const MODEL = 'opencode-llm';

const ANSWER = {
  id: 'resp_8f2c1d',
  object: 'response',
  created_at: 1_764_000_000,
  status: 'completed',
  model: MODEL,
  output: [
    {
      id: 'msg_8f2c1d_0',
      type: 'message',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Hello, and welcome!', annotations: [], logprobs: [] }],
    },
  ],
  store: false,
  usage: { input_tokens: 14, output_tokens: 6, total_tokens: 20 },
};

const event = (type: string, number: number, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, ...fields })}\n\n`;

const STREAM =
  event('response.created', 0, {
    response: { ...ANSWER, status: 'in_progress', output: [], usage: null },
  }) +
  event('response.output_text.delta', 4, { output_index: 0, content_index: 0, delta: 'Hello' }) +
  event('response.completed', 9, { response: ANSWER });

export const CREATE_RESPONSE: GenerationOperation = {
  summary: "Chat, as OpenAI's Responses ask",
  description:
    "As OpenAI's Responses: for Codex CLI and `client.responses` of OpenAI's SDKs. It is the same to limits and usage " +
    'as POST /v1/chat/completions, which vLLM is asked for. Nothing is kept between requests: each sends all of its ' +
    'input. Tools that only OpenAI runs are left out or refused.',
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['model', 'input'],
          properties: {
            model: { type: 'string', example: MODEL, description: 'One of GET /v1/models' },
            input: {
              description: 'A text, or a list of items: messages, reasoning, function calls and outputs',
            },
            instructions: { type: 'string' },
            tools: { type: 'array', items: { type: 'object' }, description: 'Functions the model may call' },
            tool_choice: { description: '`auto`, `none`, `required`, or one function' },
            max_output_tokens: {
              type: 'integer',
              minimum: 1,
              description: 'Lowered to what the model and your limits allow',
            },
            stream: { type: 'boolean', default: false },
            text: { type: 'object', description: '`format`: text, json_object or json_schema' },
            reasoning: { type: 'object', description: '`effort`' },
            temperature: { type: 'number' },
            top_p: { type: 'number' },
          },
          additionalProperties: true,
        },
        examples: {
          question: {
            summary: 'A question',
            value: { model: MODEL, max_output_tokens: 64, input: 'Say hello in one sentence.' },
          },
          stream: {
            summary: 'A stream',
            value: {
              model: MODEL,
              max_output_tokens: 64,
              stream: true,
              instructions: 'You count.',
              input: [{ role: 'user', content: 'Count from one to five.' }],
            },
          },
        },
      },
    },
  },
  success: {
    description: 'The response, or its stream when `stream` is true',
    content: {
      'application/json': { schema: { type: 'object' }, example: ANSWER },
      'text/event-stream': { schema: { type: 'string' }, example: STREAM },
    },
  },
};
