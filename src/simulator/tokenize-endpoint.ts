import { ApiError } from './api-error';
import { checkTemplate, EMPTY_CHAT } from './chat-checks';
import { optionalList, optionalString } from './lax-values';
import { refuseNulls } from './null-fields';
import { chatPrompt } from './prompt';
import type { SimulatedModels } from './simulated-models';
import type { SimulatorSettings } from './simulator-settings';
import { tokenizeInputs } from './template-inputs';
import { tokenId, tokenize } from './tokenizer';

/** POST /tokenize: the exact count of a chat or a text; messages win over a prompt. @throws ApiError */
export function tokenizeEndpoint(
  body: Readonly<Record<string, unknown>>,
  models: SimulatedModels,
  settings: SimulatorSettings,
): object {
  refuseNulls('tokenize', body);
  checkTemplate(body);
  const messages = optionalList(body.messages, 'body.messages');
  const prompt = messages ? undefined : optionalString(body.prompt, 'body.prompt');
  if (!messages && prompt === undefined) {
    const missing = { kind: 'missing', text: 'Field required', input: body };
    throw ApiError.validation({ ...missing, at: 'body.prompt' }, { ...missing, at: 'body.messages' });
  }
  if (messages?.length === 0) throw EMPTY_CHAT;
  const model = models.find(optionalString(body.model, 'body.model') || undefined);
  const shown = messages && settings.gptOss ? shownByGptOss(messages as Message[]) : messages;
  const tokens = shown
    ? chatPrompt(shown as object[], tokenizeInputs(body, settings)).tokens
    : textTokens(prompt ?? '', body, settings);
  return {
    count: tokens.length,
    max_model_len: model.maxModelLen,
    tokens: tokens.map(tokenId),
    token_strs: body.return_token_strs === true ? tokens : null,
  };
}

/** A model that embeds or compares has marks around each text. */
function textTokens(
  prompt: string,
  { add_special_tokens: adds }: Readonly<Record<string, unknown>>,
  { task }: SimulatorSettings,
): string[] {
  const tokens = tokenize(prompt);
  return (task === 'embed' || task === 'classify') && adds !== false ? ['[CLS]', ...tokens, '[SEP]'] : tokens;
}

interface Message {
  readonly role?: unknown;
  readonly tool_calls?: readonly unknown[];
  readonly reasoning?: unknown;
}

/** What the template that comes with gpt-oss shows: of several calls the first, of what instructs the first message. */
function shownByGptOss(messages: readonly Message[]): object[] {
  return messages
    .filter(({ role }, index) => index === 0 || (role !== 'system' && role !== 'developer'))
    .map(({ tool_calls: calls, ...message }) => ({
      ...message,
      reasoning: undefined,
      ...(calls ? { tool_calls: calls.slice(0, 1) } : {}),
    }));
}
