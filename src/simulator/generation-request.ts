import { ApiError } from './api-error';
import { checkChatFields, EMPTY_CHAT } from './chat-checks';
import { readPrompts } from './completion-prompts';
import {
  laxBoolean,
  laxInteger,
  laxIntegerFrom,
  laxNumber,
  optionalList,
  optionalObject,
  optionalString,
} from './lax-values';
import { refuseNulls } from './null-fields';
import type { Prompt } from './prompt';
import { chatPrompt, truncated } from './prompt';
import { checkSampling } from './request-checks';
import { readLogprobs, readStop, readStreamOptions } from './request-fields';
import type { OfferedTools } from './request-tools';
import { NO_TOOLS, readTools } from './request-tools';
import type { Script } from './script';
import type { SimulatedModel, SimulatorSettings } from './simulator-settings';
import { chatInputs, TemplateInputs } from './template-inputs';
import { checkWindow } from './window-check';

export type Endpoint = 'chat' | 'completions';

/** A body that passed every check of vLLM. */
export interface GenerationRequest {
  readonly endpoint: Endpoint;
  readonly model: SimulatedModel;
  /** One for chat; each of them gets n choices. */
  readonly prompts: readonly Prompt[];
  readonly n: number;
  /** For each prompt, in tokens: what may be generated. */
  readonly maxTokens: readonly number[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
  readonly streamInterval: number;
  readonly stop: readonly string[];
  /** The text of an answer ends with the stop string rather than before it. */
  readonly includeStop: boolean;
  readonly ignoreEos: boolean;
  /** How many alternatives to name for each token; null = no logprobs. */
  readonly logprobs: number | null;
  readonly echo: boolean;
  readonly tools: OfferedTools;
  readonly includeReasoning: boolean;
  readonly returnTokenIds: boolean;
  readonly returnPromptText: boolean;
  /** Stands in the ids of the answer; the header X-Request-Id wins over it. */
  readonly requestId: string | undefined;
  readonly seed: number;
  readonly cacheSalt: string;
  readonly script: Script;
}

type Body = Readonly<Record<string, unknown>>;

/** /v1/completions generates so many tokens when it is not told. */
const DEFAULT_COMPLETION_TOKENS = 16;

/** @throws ApiError in vLLM's words and order: form, model, values, window. */
export function readGeneration(
  endpoint: Endpoint,
  body: Body,
  findModel: (name: string | undefined) => SimulatedModel,
  settings: SimulatorSettings,
): GenerationRequest {
  refuseNulls(endpoint, body);
  const stream = laxBoolean(body.stream, 'body.stream') ?? false;
  const n = laxInteger(body.n, 'body.n') ?? 1;
  const asked = {
    max_tokens: laxInteger(body.max_tokens, 'body.max_tokens'),
    max_completion_tokens:
      endpoint === 'chat' ? laxInteger(body.max_completion_tokens, 'body.max_completion_tokens') : undefined,
  };
  const temperature = laxNumber(body.temperature, 'body.temperature') ?? 1;
  const streamOptions = readStreamOptions(body, stream);
  const stop = readStop(body.stop);
  const logprobs = readLogprobs(endpoint, body);
  const seed = laxInteger(body.seed, 'body.seed') ?? 0;
  optionalString(body.user, 'body.user');
  const requestId = optionalString(body.request_id, 'body.request_id');
  const streamInterval = laxIntegerFrom(1, body.stream_interval, 'body.stream_interval') ?? 1;
  const truncateTo = laxIntegerFrom(-1, body.truncate_prompt_tokens, 'body.truncate_prompt_tokens');
  const tools = endpoint === 'chat' ? readTools(body) : NO_TOOLS;
  if (endpoint === 'chat') checkChatFields(body, settings.reasoning);
  const given =
    endpoint === 'chat'
      ? [readChat(body, chatInputs(body, tools.list, settings))]
      : readPrompts(body, settings.fillsInTheMiddle);

  const model = findModel(optionalString(body.model, 'body.model') || undefined);
  const wanted = asked.max_completion_tokens ?? asked.max_tokens ?? 1;
  const kept = endpoint === 'chat' && settings.gptOss ? undefined : truncateTo;
  const prompts = given.map((prompt) => truncated(prompt, kept, model.maxModelLen, wanted));
  const maxTokens = prompts.map((prompt) =>
    checkWindow({
      promptTokens: prompt.tokens.length,
      promptCharacters: prompt.characters,
      asked,
      fallback: endpoint === 'chat' ? null : DEFAULT_COMPLETION_TOKENS,
      window: model.maxModelLen,
      overflow: settings.overflow,
      echoOnly: endpoint === 'completions' && body.echo === true,
    }),
  );
  checkSampling(body, { n, temperature, stop, logprobs, stream, maxTokens: Math.min(...maxTokens) });
  const includeUsage = settings.forceIncludeUsage || (streamOptions.includeUsage ?? false);
  return {
    endpoint,
    model,
    prompts,
    n,
    maxTokens,
    stream,
    includeUsage,
    continuousUsage: settings.forceIncludeUsage || (includeUsage && (streamOptions.continuous ?? false)),
    streamInterval,
    stop,
    includeStop: laxBoolean(body.include_stop_str_in_output, 'body.include_stop_str_in_output') ?? false,
    ignoreEos: laxBoolean(body.ignore_eos, 'body.ignore_eos') ?? false,
    logprobs,
    echo: endpoint === 'completions' && (laxBoolean(body.echo, 'body.echo') ?? false),
    tools,
    includeReasoning: laxBoolean(body.include_reasoning, 'body.include_reasoning') ?? true,
    returnTokenIds: laxBoolean(body.return_token_ids, 'body.return_token_ids') ?? false,
    returnPromptText: laxBoolean(body.return_prompt_text, 'body.return_prompt_text') ?? false,
    requestId,
    seed,
    cacheSalt: optionalString(body.cache_salt, 'body.cache_salt') ?? '',
    script: { ...model.script, ...prompts.find((prompt) => prompt.script)?.script },
  };
}

type Message = { readonly reasoning?: unknown; readonly reasoning_content?: unknown };

/** The name that reasoning had earlier counts where the new one says nothing. POST /tokenize does not know it. */
function withReasoning({ reasoning_content: earlier, ...message }: Message): Message {
  return { ...message, reasoning: message.reasoning ?? earlier };
}

function readChat(body: Body, inputs: TemplateInputs): Prompt {
  if (body.messages === undefined)
    throw ApiError.validation({ kind: 'missing', at: 'body.messages', text: 'Field required', input: body });
  if (body.messages === null) throw ApiError.badRequest(null, "'NoneType' object is not iterable");
  const messages = optionalList(body.messages, 'body.messages') ?? [];
  messages.forEach((message, index) => optionalObject(message, `body.messages.${index}`));
  if (messages.length === 0) throw EMPTY_CHAT;
  return chatPrompt((messages as Message[]).map(withReasoning), inputs);
}
