import { JsonMember, withEdits } from '../../common/json-members';
import { EndpointName, ENDPOINTS } from '../endpoints';
import type { StreamExpectations } from '../relay/stream-meter';
import type { CatalogueModel } from '../upstream/model-catalogue';
import type { Upstream } from '../upstream/upstream';
import type { MeteredCall } from './metered-call';
import type { OutputQuestion, PromptSize } from './output-budget';
import {
  instructionTokens,
  Pooled,
  pooledBytes,
  PooledText,
  pooledTexts,
  SCORE_FIELDS,
} from './pooled-texts';
import { BYTES_PER_TOKEN, PromptPart } from './prompt-guess';
import type { CheckedBody } from './proxied-call';
import { tokenizeTexts } from './tokenize-bodies';

/**
 * A request whose answer is no text: embeddings, or scores of pairs. vLLM reads its prompts once and generates nothing, so
 * what it costs is what it sends.
 */
export class PooledCall implements MeteredCall {
  readonly endpoint: EndpointName;
  readonly upstreamPath: string;
  readonly stream = false;
  readonly hasTools = false;
  readonly hidesThinking = false;
  readonly truncatesChat = false;
  readonly dialect = null;
  readonly constraintTokens = 0;
  readonly expected: StreamExpectations;
  readonly promptBound: PromptSize;
  readonly keptOfPrompt: number;
  readonly promptPart: PromptPart;
  readonly prompts: number;
  countedPrompt: number | null = null;
  countedBy: Upstream | null = null;
  isCounted = false;
  /** Of all prompts together, as are the counts. */
  readonly untoldTokens: number;
  private body: CheckedBody | null;
  private sent: Buffer | null = null;

  /** @param templateTokens what the model's template puts around each prompt, as far as it is known */
  constructor(
    body: CheckedBody,
    readonly model: CatalogueModel,
    readonly cacheSalt: string,
    readonly templateTokens: number,
  ) {
    this.body = body;
    const { endpoint, fields, members } = body;
    this.endpoint = endpoint;
    this.upstreamPath = ENDPOINTS[endpoint].upstreamPath;
    const pooled = pooledTexts(endpoint, fields);
    this.prompts = pooled.prompts;
    this.untoldTokens = this.prompts * (templateTokens + instructionTokens(fields));
    // A model may take an input that is longer than its window, in pieces: it bounds nothing.
    const tokens = pooledBytes(pooled) + this.untoldTokens;
    this.promptBound = { tokens, largest: tokens, exact: false, bounded: true };
    const { truncate_prompt_tokens: kept } = fields;
    this.keptOfPrompt = typeof kept === 'number' && kept >= 0 ? kept * this.prompts : Infinity;
    this.promptPart = { bytes: bytesOfTexts(members), most: this.keptOfPrompt };
    this.expected = {
      servedModel: model.servedName,
      publicModel: model.id,
      choices: 1,
      prompts: this.prompts,
      wantsUsage: false,
      wantsContinuousUsage: false,
    };
  }

  get recordedAs(): string {
    return this.endpoint;
  }

  get guessedPromptTokens(): number {
    const guess = this.pooled.texts.reduce((sum, { text }) => sum + guessOf(text), 0);
    return Math.min(guess, this.keptOfPrompt);
  }

  keepOnly(sent: Buffer): void {
    this.body = null;
    this.sent = sent;
  }

  private get pooled(): Pooled {
    const sent = () => JSON.parse((this.sent ?? Buffer.from('{}')).toString('utf8')) as CheckedBody['fields'];
    return pooledTexts(this.endpoint, this.body?.fields ?? sent());
  }

  outputQuestion(prompt: PromptSize): OutputQuestion {
    return {
      requested: null,
      minTokens: 0,
      choices: 1,
      prompts: this.prompts,
      window: null,
      prompt,
      absentMeans: 'nothing',
      defaultMax: 0,
    };
  }

  encode(): Buffer {
    if (this.body === null) throw new Error('it has been sent');
    const { bytes, members, dropped } = this.body;
    const edits = new Map<string, string | null>(dropped.map((field) => [field, null]));
    edits.set('model', JSON.stringify(this.model.servedName));
    edits.set('cache_salt', JSON.stringify(this.cacheSalt));
    return withEdits(bytes, members, edits);
  }

  tokenizeBodies(): Buffer[] | null {
    const texts = this.pooled.texts.map(({ text }) => text).filter((text) => typeof text === 'string');
    return tokenizeTexts(texts, this.model.servedName);
  }

  promptSizes(counts: readonly number[]): number[] {
    return this.together(counts, ({ times }) => times);
  }

  /** A model that embeds reads a query once, whatever it is compared with. */
  leastSizes(counts: readonly number[]): number[] {
    return this.together(counts, () => 1);
  }

  /** All as one: each has a window to itself, and none shares it with an answer. */
  private together(counts: readonly number[], times: (text: PooledText) => number): number[] {
    const next = counts.values();
    const sizes = this.pooled.texts.map(
      (text) => times(text) * (typeof text.text === 'string' ? (next.next().value ?? 0) : text.text.length),
    );
    return [sizes.reduce((sum, size) => sum + size, 0)];
  }
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(['input', 'query', ...SCORE_FIELDS.flat()]);

function bytesOfTexts(members: readonly JsonMember[]): number {
  const texts = members.filter(({ key }) => TEXT_FIELDS.has(key));
  return texts.reduce((sum, { valueStart, end }) => sum + end - valueStart, 0);
}

const guessOf = (text: string | readonly number[]): number =>
  typeof text === 'string' ? Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN) : text.length;
