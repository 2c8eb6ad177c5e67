import { ApiError } from './api-error';
import {
  laxBoolean,
  laxInteger,
  laxNumber,
  optionalList,
  optionalObject,
  optionalString,
} from './lax-values';
import type { Prompt } from './prompt';
import { chatPrompt, textPrompt } from './prompt';
import { checkSampling, checkWindow } from './request-checks';
import { readLogprobs, readStop, readStreamOptions, readTools } from './request-fields';
import type { Script } from './script';
import type { SimulatedModel, SimulatorSettings } from './simulator-settings';

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
  readonly ignoreEos: boolean;
  /** How many alternatives to name for each token; null = no logprobs. */
  readonly logprobs: number | null;
  readonly echo: boolean;
  readonly tools: readonly string[];
  readonly includeReasoning: boolean;
  readonly returnTokenIds: boolean;
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
  const tools = endpoint === 'chat' ? readTools(body) : { names: [], list: undefined };
  const prompts = endpoint === 'chat' ? [readChat(body, tools.list)] : readPrompts(body);
  const streamInterval = laxInteger(body.stream_interval, 'body.stream_interval') ?? 1;

  const model = findModel(optionalString(body.model, 'body.model') || undefined);
  checkSampling(body, { n, temperature, stop, logprobs, stream });
  const maxTokens = prompts.map((prompt) =>
    checkWindow({
      promptTokens: prompt.tokens.length,
      asked,
      fallback: endpoint === 'chat' ? null : DEFAULT_COMPLETION_TOKENS,
      window: model.maxModelLen,
      overflow: settings.overflow,
      echoOnly: endpoint === 'completions' && body.echo === true,
    }),
  );
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
    streamInterval: Math.max(1, streamInterval),
    stop,
    ignoreEos: laxBoolean(body.ignore_eos, 'body.ignore_eos') ?? false,
    logprobs,
    echo: endpoint === 'completions' && (laxBoolean(body.echo, 'body.echo') ?? false),
    tools: body.tool_choice === 'none' ? [] : tools.names,
    includeReasoning: laxBoolean(body.include_reasoning, 'body.include_reasoning') ?? true,
    returnTokenIds: laxBoolean(body.return_token_ids, 'body.return_token_ids') ?? false,
    seed,
    cacheSalt: optionalString(body.cache_salt, 'body.cache_salt') ?? '',
    script: { ...model.script, ...prompts.find((prompt) => prompt.script)?.script },
  };
}

function readChat(body: Body, tools: unknown[] | undefined): Prompt {
  if (body.messages === undefined)
    throw ApiError.validation({ kind: 'missing', at: 'body.messages', text: 'Field required', input: body });
  if (body.messages === null) throw ApiError.badRequest(null, "'NoneType' object is not iterable");
  const messages = optionalList(body.messages, 'body.messages') ?? [];
  messages.forEach((message, index) => optionalObject(message, `body.messages.${index}`));
  if (messages.length === 0)
    throw ApiError.badRequest(
      null,
      'Cannot apply chat template to an empty conversation. Provide at least one message.',
    );
  return chatPrompt(messages as object[], tools);
}

function readPrompts(body: Body): Prompt[] {
  const { prompt } = body;
  if (prompt === undefined || prompt === null || prompt === '')
    throw ApiError.badRequest('prompt', 'Either prompt or prompt_embeds must be provided and non-empty.');
  if (typeof prompt === 'string') return [textPrompt(prompt)];
  const list = optionalList(prompt, 'body.prompt') ?? [];
  if (list.length === 0) throw ApiError.badRequest(null, 'You must pass at least one prompt');
  if (list.every((entry) => Number.isInteger(entry))) return [textPrompt(list as number[])];
  return list.map((entry, index) => {
    if (typeof entry !== 'string' && !Array.isArray(entry))
      throw ApiError.validation({
        kind: 'string_type',
        at: `body.prompt.${index}`,
        text: 'Input should be a valid string',
        input: entry,
      });
    if (entry.length === 0) throw ApiError.badRequest(null, 'The decoder prompt cannot be empty');
    return textPrompt(entry as string | number[]);
  });
}
