import type { AnswerDialect } from '../dialect';
import { EndpointName, ENDPOINTS } from '../endpoints';
import type { StreamExpectations } from '../relay/stream-meter';
import type { CatalogueModel } from '../upstream/model-catalogue';
import type { Upstream } from '../upstream/upstream';
import { holdsMedia } from './field-checks';
import { JsonMember, topLevelMembers, withEdits } from '../../common/json-members';
import type { MeteredCall } from './metered-call';
import type { OutputBudget, OutputQuestion, PromptSize } from './output-budget';
import { promptBytes, textBytes } from './prompt-bytes';
import { guessedPromptTokens, PromptPart } from './prompt-guess';
import { promptTexts, tokenIdCounts } from './prompt-texts';
import { repeatedBytes, repeatedToolBytes } from './repetitions';
import { constraintTokens, suffixTokens, tokenizeBodies, untoldTokens } from './tokenize-bodies';

/** A request body whose fields have all been checked. */
export interface CheckedBody {
  readonly endpoint: EndpointName;
  readonly bytes: Buffer;
  readonly members: readonly JsonMember[];
  readonly fields: Readonly<Record<string, unknown>>;
  /** Fields that do not go to vLLM. */
  readonly dropped: readonly string[];
}

/**
 * Tokens a chat template may add beyond what is known of it: for what an option of the request switches on, for more
 * tools than one, and for each message.
 */
const TEMPLATE_SLACK = 256;
const TOOLS_SLACK = 512;
const MESSAGE_TOKENS = 16;
/** What a tokenizer adds to a prompt of its own, such as a mark for its beginning. */
const PROMPT_SLACK = 8;

/** A request for generated text. */
export class ProxiedCall implements MeteredCall {
  readonly stream: boolean;
  readonly endpoint: EndpointName;
  readonly upstreamPath: string;
  readonly expected: StreamExpectations;
  readonly hasTools: boolean;
  readonly hidesThinking: boolean;
  private readonly choices: number;
  private readonly prompts: number;
  private readonly requested: number | null;
  private readonly minTokens: number;
  /** The most tokens vLLM keeps of each prompt. */
  readonly keptOfPrompt: number;
  private readonly maxField: 'max_tokens' | 'max_completion_tokens';

  /** What vLLM counted before the request was admitted, with what is reserved beside that; null: it did not decide. */
  countedPrompt: number | null = null;
  /** The server that did. */
  countedBy: Upstream | null = null;
  /** vLLM counted its prompt before it was admitted. */
  isCounted = false;
  private bound: PromptSize | null = null;
  private body: CheckedBody | null;
  private sent: Buffer | null = null;

  constructor(
    body: CheckedBody,
    readonly model: CatalogueModel,
    readonly cacheSalt: string,
    private readonly defaultMax: number,
    /** What the model's chat template adds by itself, as far as it is known. */
    readonly templateTokens: number,
    /** Of what the client sent, where that was no chat of OpenAI's. */
    readonly dialect: AnswerDialect | null = null,
  ) {
    this.body = body;
    const { fields, endpoint } = body;
    this.endpoint = endpoint;
    this.upstreamPath = ENDPOINTS[endpoint].upstreamPath;
    this.stream = fields.stream === true;
    this.hasTools = offersTools(body);
    this.hidesThinking = fields.include_reasoning === false;
    this.choices = (fields.n as number | null | undefined) ?? 1;
    this.prompts = promptTexts(body).length || 1;
    // max_completion_tokens wins over max_tokens at vLLM, too.
    this.maxField =
      endpoint === 'chat_completions' && isNumber(fields.max_completion_tokens)
        ? 'max_completion_tokens'
        : 'max_tokens';
    this.requested = isNumber(fields[this.maxField]) ? (fields[this.maxField] as number) : null;
    this.minTokens = isNumber(fields.min_tokens) ? fields.min_tokens : 0;
    const { truncate_prompt_tokens: kept } = fields;
    this.keptOfPrompt = isNumber(kept) && kept >= 0 ? kept : Infinity;
    const options = (fields.stream_options ?? {}) as {
      include_usage?: boolean;
      continuous_usage_stats?: boolean;
    };
    const wantsUsage = this.stream && options.include_usage === true;
    this.expected = {
      servedModel: model.servedName,
      publicModel: model.id,
      choices: this.choices,
      prompts: this.prompts,
      wantsUsage,
      wantsContinuousUsage: wantsUsage && options.continuous_usage_stats === true,
    };
  }

  /**
   * Lets go of the parsed body, which is some times as large as its bytes: an answer may take an hour. What vLLM was
   * sent is held anyway until the answer ends, and says the same should the prompt have to be counted in the end.
   */
  keepOnly(sent: Buffer): void {
    this.body = null;
    this.sent = sent;
  }

  private get content(): CheckedBody {
    if (this.body !== null) return this.body;
    const bytes = this.sent ?? Buffer.from('{}');
    const fields = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    const members = topLevelMembers(bytes, Number.POSITIVE_INFINITY);
    return { endpoint: this.endpoint, bytes, members, fields, dropped: [] };
  }

  /** The cheap upper bound of the prompt: a token is at least one byte of what vLLM makes of the body, its template included. */
  get promptBound(): PromptSize {
    // Kept, because it outlives the body it is made from: the answer's usage is compared with it.
    return (this.bound ??= this.boundOf(this.content));
  }

  private boundOf(body: CheckedBody): PromptSize {
    const { messages } = body.fields;
    const overhead =
      this.templateTokens +
      TEMPLATE_SLACK +
      (this.hasTools ? TOOLS_SLACK : 0) +
      (Array.isArray(messages) ? MESSAGE_TOKENS * messages.length : 0) +
      (this.endpoint === 'completions' ? PROMPT_SLACK * this.prompts : 0);
    const isChat = this.endpoint === 'chat_completions';
    const repeated = isChat ? repeatedBytes(body.fields) + repeatedToolBytes(body.fields) : 0;
    const tokens = promptBytes(body) + repeated + overhead;
    const bounded = !holdsMedia(messages);
    if (this.prompts === 1) return { tokens, largest: tokens, exact: false, bounded };
    // The suffix stands once in the body and behind each prompt.
    const suffixes = (this.prompts - 1) * suffixTokens(body.fields);
    return { tokens: tokens + suffixes, largest: largestPrompt(body), exact: false, bounded };
  }

  /** The ledger's name for the endpoint that was asked. */
  get recordedAs(): string {
    return this.dialect?.endpoint ?? this.endpoint;
  }

  get truncatesChat(): boolean {
    return this.endpoint === 'chat_completions' && this.keptOfPrompt < Infinity;
  }

  /** Nothing of what holds media, of whose bytes nobody knows what they are in tokens. */
  get promptPart(): PromptPart {
    const { members, fields } = this.content;
    const content = this.endpoint === 'completions' ? 'prompt' : 'messages';
    const showsTools = this.hasTools && fields.tool_choice !== 'none';
    let bytes = 0;
    for (const { key, valueStart, end } of this.promptBound.bounded ? members : []) {
      if (key === content || (key === 'tools' && showsTools)) bytes += end - valueStart;
    }
    return { bytes, most: this.keptOfPrompt * this.prompts };
  }

  get guessedPromptTokens(): number {
    const guess = guessedPromptTokens(this.content.fields, sum(tokenIdCounts(this.content)));
    return Math.min(guess, this.keptOfPrompt * this.prompts);
  }

  outputQuestion(prompt: PromptSize): OutputQuestion {
    return {
      requested: this.requested,
      minTokens: this.minTokens,
      choices: this.choices,
      prompts: this.prompts,
      window: this.model.window,
      // What is reserved is the whole prompt all the same: a vLLM that did not truncate shall not break a limit.
      prompt: { ...prompt, largest: Math.min(prompt.largest, this.keptOfPrompt) },
      absentMeans: this.endpoint === 'completions' ? 16 : 'rest_of_window',
      defaultMax: this.defaultMax,
    };
  }

  /** The bytes for vLLM: the client's own, but for the fields that the gateway answers for. */
  encode(budget: OutputBudget): Buffer {
    const { bytes, members, dropped } = this.content;
    const edits = new Map<string, string | null>(dropped.map((field) => [field, null]));
    edits.set('model', JSON.stringify(this.model.servedName));
    edits.set('cache_salt', JSON.stringify(this.cacheSalt));
    edits.set('stream_options', this.stream ? ALWAYS_COUNT : null);
    edits.set('max_tokens', null);
    edits.set('max_completion_tokens', null);
    if (budget.maxTokens !== null) edits.set(this.maxField, String(budget.maxTokens));
    return withEdits(bytes, members, edits);
  }

  /** Bodies for vLLM's /tokenize, each for one prompt, but for those of token ids; null: more of them than is worth asking. */
  tokenizeBodies(): Buffer[] | null {
    return tokenizeBodies(this.content, this.model.servedName);
  }

  /** Behind those of the prompts that came as token ids. */
  promptSizes(counts: readonly number[]): number[] {
    return [...tokenIdCounts(this.content), ...counts];
  }

  leastSizes(counts: readonly number[]): number[] {
    return this.promptSizes(counts);
  }

  /** What vLLM may render of each prompt beside what it counted. */
  get untoldTokens(): number {
    return untoldTokens(this.content);
  }

  /** What a few models are shown of it as well. */
  get constraintTokens(): number {
    return constraintTokens(this.content);
  }
}

const ALWAYS_COUNT = '{"include_usage":true,"continuous_usage_stats":true}';

/** Whether the template renders tools. */
export function offersTools({ endpoint, fields }: Pick<CheckedBody, 'endpoint' | 'fields'>): boolean {
  return endpoint === 'chat_completions' && Array.isArray(fields.tools);
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

const isNumber = (value: unknown): value is number => typeof value === 'number';

/** The largest of several prompts of a completion, by the same bound as all of them. */
function largestPrompt(body: CheckedBody): number {
  const sizes = promptTexts(body).map((prompt) =>
    typeof prompt === 'string' ? textBytes(prompt) : prompt.length,
  );
  return Math.max(...sizes) + PROMPT_SLACK + suffixTokens(body.fields);
}
