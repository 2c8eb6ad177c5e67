import type { Script } from './script';

export interface SimulatedModel {
  readonly id: string;
  /** Context window, in tokens. */
  readonly maxModelLen: number;
  /** Further served names of the same model. */
  readonly aliases?: readonly string[];
  /** What every answer of this model does, unless the message says otherwise. */
  readonly script?: Script;
}

/** What can be changed while the simulator runs, by the tests or over PUT /simulator/settings. */
export interface SimulatorSettings {
  /** From the request to the first token, and from one token to the next, in milliseconds. */
  timeToFirstTokenMs: number;
  timeBetweenTokensMs: number;
  /** As with --reasoning-parser: usage carries completion_tokens_details. */
  reasoning: boolean;
  /** As with --enable-prompt-tokens-details: usage carries cached_tokens. */
  promptTokensDetails: boolean;
  /** As with --enable-force-include-usage. */
  forceIncludeUsage: boolean;
  /** What the chat template adds to every chat, as a built-in system prompt does; POST /tokenize counts it, too. */
  templateTokens: number;
  /** As with Kimi K3: the chat template tells the model of response_format and tool_choice; POST /tokenize gets neither. */
  rendersConstraints: boolean;
  /** As --reasoning-effort-map: what the template of a chat gets for an effort. POST /tokenize does not map it. */
  reasoningEffortMap: Readonly<Record<string, string>>;
  /** As with DeepSeek V4: a completion takes a suffix. POST /tokenize does not. */
  fillsInTheMiddle: boolean;
  /**
   * What its models do: vLLM has the routes of that and no others. 'embed' scores pairs as well, by embedding their sides;
   * 'any' is what no vLLM does.
   */
  task: 'generate' | 'embed' | 'classify' | 'any';
  /**
   * As with gpt-oss before vLLM 0.33: POST /tokenize counts what its template shows of a chat, which is less than a chat is
   * rendered to. truncate_prompt_tokens of a chat does nothing, as with later releases, too.
   */
  gptOss: boolean;
  /** 'missing': POST /tokenize is a 404, as with front ends that lack it. 'null': it answers that, as no vLLM should. */
  tokenize: 'served' | 'missing' | 'null';
  /** prompt + max_tokens above the window: vLLM lowers max_tokens since 0.32 and refused before. */
  overflow: 'clamp' | 'refuse';
  /** As with --max-num-queued-reqs: more unfinished requests than this are a 503; null = no limit. */
  maxUnfinished: number | null;
  /** As with --sse-keep-alive-interval: a comment after so many silent milliseconds of a stream; null = none. */
  sseKeepAliveMs: number | null;
  /** true: the engine stands still. No answer gets another byte, but connections stay and comments go on. */
  hung: boolean;
  /** false: GET /health is a 503, as after the death of the engine. */
  healthy: boolean;
}

export interface SimulatorOptions extends Partial<SimulatorSettings> {
  readonly host?: string;
  /** 0 = any free port. */
  readonly port?: number;
  /** At least one; the first answers requests that name none. */
  readonly models?: readonly SimulatedModel[];
  /** As with --api-key: /v1 asks for this bearer token. */
  readonly apiKey?: string;
  /** How long an idle connection stays open, in milliseconds; 5,000 as vLLM. */
  readonly keepAliveMs?: number;
}

export const DEFAULT_MODEL: SimulatedModel = { id: 'simulated-llm', maxModelLen: 32_768 };

export function simulatorSettings(options: SimulatorOptions): SimulatorSettings {
  return {
    timeToFirstTokenMs: options.timeToFirstTokenMs ?? 0,
    timeBetweenTokensMs: options.timeBetweenTokensMs ?? 0,
    reasoning: options.reasoning ?? false,
    promptTokensDetails: options.promptTokensDetails ?? false,
    forceIncludeUsage: options.forceIncludeUsage ?? false,
    templateTokens: options.templateTokens ?? 0,
    rendersConstraints: options.rendersConstraints ?? false,
    reasoningEffortMap: options.reasoningEffortMap ?? {},
    fillsInTheMiddle: options.fillsInTheMiddle ?? false,
    gptOss: options.gptOss ?? false,
    task: options.task ?? 'generate',
    tokenize: options.tokenize ?? 'served',
    overflow: options.overflow ?? 'clamp',
    maxUnfinished: options.maxUnfinished ?? null,
    sseKeepAliveMs: options.sseKeepAliveMs ?? null,
    hung: options.hung ?? false,
    healthy: options.healthy ?? true,
  };
}
