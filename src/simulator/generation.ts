import { randomBytes } from 'node:crypto';
import type { Choice, Step } from './answer';
import { planAnswer } from './answer';
import type { GenerationRequest } from './generation-request';
import type { JournalEntry } from './journal';
import type { PrefixCache } from './prefix-cache';
import type { SimulatorSettings } from './simulator-settings';
import type { Counts } from './usage';

const FINGERPRINT = 'vllm-0.33.0-simulated';

/** One accepted request: what it will generate, what it has generated so far, and what its answers are called. */
export class Generation {
  readonly id: string;
  readonly created = Math.floor(Date.now() / 1_000);
  readonly fingerprint = FINGERPRINT;
  readonly choices: readonly Choice[];
  private readonly made: { tokens: number; reasoning: number }[];
  private readonly cached: readonly number[];

  constructor(
    readonly request: GenerationRequest,
    readonly settings: SimulatorSettings,
    readonly entry: JournalEntry,
    cache: PrefixCache,
    idHeader: string | undefined,
  ) {
    const prefix = request.endpoint === 'chat' ? 'chatcmpl' : 'cmpl';
    this.id = `${prefix}-${idHeader ?? request.requestId ?? randomBytes(8).toString('hex')}`;
    this.choices = planAnswer(request);
    this.made = this.choices.map(() => ({ tokens: 0, reasoning: 0 }));
    this.cached = settings.promptTokensDetails
      ? request.prompts.map((prompt) => cache.lookUp(prompt.tokens, request.cacheSalt))
      : request.prompts.map(() => 0);
    entry.model = request.model.id;
    entry.stream = request.stream;
    entry.promptTokens = request.prompts.reduce((sum, prompt) => sum + prompt.tokens.length, 0);
    entry.cachedTokens = this.reportedCached;
  }

  get chat(): boolean {
    return this.request.endpoint === 'chat';
  }

  /** Of several prompts vLLM reports the cached tokens of the first (stream) or the last (JSON) only. */
  private get reportedCached(): number {
    return (this.request.stream ? this.cached[0] : this.cached.at(-1)) ?? 0;
  }

  /** Counts a step as generated, before anybody hears of it. */
  count(choice: Choice, step: Step): void {
    const made = this.made[choice.index];
    if (!made) return;
    made.tokens += step.tokens.length;
    this.entry.completionTokens += step.tokens.length;
    if (step.kind !== 'reasoning') return;
    made.reasoning += step.tokens.length;
    this.entry.reasoningTokens += step.tokens.length;
  }

  countsOf(choice: Choice): Counts {
    const made = this.made[choice.index];
    return {
      prompt: this.request.prompts[choice.promptIndex]?.tokens.length ?? 0,
      completion: made?.tokens ?? 0,
      reasoning: made?.reasoning ?? 0,
      cached: 0,
    };
  }

  get totals(): Counts {
    return {
      prompt: this.entry.promptTokens,
      completion: this.made.reduce((sum, made) => sum + made.tokens, 0),
      reasoning: this.made.reduce((sum, made) => sum + made.reasoning, 0),
      cached: this.reportedCached,
    };
  }
}
