import { ApiError } from './api-error';
import { optionalDictionary } from './lax-values';

type Body = Readonly<Record<string, unknown>>;

const isSet = (value: unknown) => value !== undefined && value !== null;

export const EMPTY_CHAT = ApiError.badRequest(
  null,
  'Cannot apply chat template to an empty conversation. Provide at least one message.',
);

/** What a vLLM started without flags of trust refuses in a chat. Also asked of POST /tokenize. @throws ApiError */
export function checkTemplate(body: Body): void {
  const parameters = optionalDictionary(body.chat_template_kwargs, 'body.chat_template_kwargs');
  if (isSet(body.chat_template) || isSet(parameters?.chat_template))
    throw ApiError.badRequest(
      null,
      'Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with untrusted chat template.',
    );
  if (body.continue_final_message === true && body.add_generation_prompt === true)
    throw ApiError.badRequest(
      null,
      'Cannot set both `continue_final_message` and `add_generation_prompt` to True.',
    );
}

/** @throws ApiError */
export function checkChatFields(body: Body, reasoning: boolean): void {
  checkTemplate(body);
  if (Object.keys(optionalDictionary(body.mm_processor_kwargs, 'body.mm_processor_kwargs') ?? {}).length > 0)
    throw ApiError.badRequest(
      'mm_processor_kwargs',
      'Per-request mm_processor_kwargs are disabled by default because they can change multimodal preprocessing resource usage. Start the server with --trust-request-mm-kwargs only when clients are trusted.',
    );
  const { thinking_token_budget: budget } = body;
  if (isSet(budget) && !(Number.isInteger(budget) && (budget as number) >= -1))
    throw ApiError.badRequest(
      'thinking_token_budget',
      '`thinking_token_budget` must be a non-negative integer or -1 for unlimited.',
      budget,
    );
  if (isSet(budget) && !reasoning)
    throw ApiError.badRequest(
      null,
      'thinking_token_budget is set but reasoning_config is not configured. Please set --reasoning-parser and/or --reasoning-config to use thinking_token_budget.',
    );
  const format = body.response_format as { type?: unknown; json_schema?: unknown } | null | undefined;
  if (format?.type === 'json_schema' && !isSet(format.json_schema))
    throw ApiError.badRequest(
      'response_format',
      "When response_format type is 'json_schema', the 'json_schema' field must be provided.",
    );
}
