import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { ApiProblem } from '../common/api-problem.decorator';

const EXAMPLE = {
  model: 'opencode-llm',
  messages: [{ role: 'user', content: 'Say hello in one sentence.' }],
};

/** What the document says of POST /v1/messages/count_tokens, whose body is no DTO, as that of a message is none. */
export const CountsTokens = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({
      summary: 'How many tokens a message would have as its prompt',
      description: 'vLLM counts them, its template and tools included; nothing is generated or billed.',
    }),
    ApiBody({
      schema: {
        type: 'object',
        required: ['model', 'messages'],
        properties: {
          model: { type: 'string' },
          messages: { type: 'array', items: { type: 'object' } },
          system: { description: 'A text, or a list of blocks of text' },
          tools: { type: 'array', items: { type: 'object' } },
        },
        additionalProperties: true,
      },
      examples: { question: { value: EXAMPLE } },
    }),
    ApiOkResponse({
      schema: {
        type: 'object',
        required: ['input_tokens'],
        properties: { input_tokens: { type: 'integer', example: 14 } },
      },
    }),
    ApiProblem(400, 'invalid_json', 'The body must be a JSON object.'),
    ApiProblem(400, 'invalid_value', 'A field is missing, wrong or refused; the message names it.'),
    ApiProblem(400, 'body_incomplete', 'The body was cut off.'),
    ApiProblem(
      404,
      'model_not_found',
      'The model does not exist or this key may not use it. GET /v1/models lists what it may use.',
    ),
    ApiProblem(408, 'body_timeout', 'The request body did not arrive in time.'),
    ApiProblem(422, 'tokens_not_counted', 'The tokens of images are not counted before a message is made.'),
    ApiProblem(429, 'rate_limit_exceeded', 'Your account has had too many prompts counted this minute.'),
    ApiProblem(502, 'upstream_error', 'The model server failed on this request.'),
    ApiProblem(502, 'upstream_unreachable', 'The model server cannot be reached. Retry in a moment.'),
    ApiProblem(503, 'overloaded', 'The gateway has more to do than it can.'),
  );
