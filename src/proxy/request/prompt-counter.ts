import { Injectable, Logger } from '@nestjs/common';
import type { Upstream } from '../upstream/upstream';
import { chosen } from '../upstream/upstream-choice';
import { ChatCounts } from './chat-counts';
import type { PromptSize } from './output-budget';
import { BYTES_PER_TOKEN } from './prompt-guess';
import type { MeteredCall } from './metered-call';
import { TemplateOverheads } from './template-overheads';

/** Asks vLLM for exact token counts, chat template and tools included. */
@Injectable()
export class PromptCounter {
  private readonly logger = new Logger(PromptCounter.name);

  constructor(
    private readonly chats: ChatCounts,
    private readonly templates: TemplateOverheads,
  ) {}

  /**
   * The size that decides near a limit and near the context window. When vLLM cannot say, or is not believed, the bound
   * itself is used while it leaves room in the window, and beyond that the prompt counts as unbounded.
   */
  exact(call: MeteredCall): Promise<PromptSize> {
    return asked(call, (server) => this.exactBy(server, call));
  }

  private async exactBy(server: Upstream, call: MeteredCall): Promise<PromptSize> {
    const short = await this.shortBy(call, server);
    const isBelieved = short < Infinity;
    const uncounted = this.uncountable(call);
    // A count that is not believed only says how much the window leaves at most.
    if (!isBelieved && (uncounted.bounded || call.model.window === null)) return uncounted;
    const counts = await this.count(call, server);
    if (counts === null) return uncounted;
    call.isCounted = true;
    call.countedBy = server;
    const { untoldTokens, constraintTokens, keptOfPrompt } = call;
    const sizes = call.promptSizes(counts).map((count) => count + untoldTokens);
    const largest = Math.max(...sizes);
    if (!isBelieved) return { ...uncounted, counted: Math.min(largest, keptOfPrompt) };
    call.countedPrompt = sum(sizes) + constraintTokens;
    const above = short + this.aboveBy(call, server);
    return { tokens: call.countedPrompt + above, largest: largest + above, exact: true, bounded: true };
  }

  /** The same without asking vLLM. */
  uncountable(call: MeteredCall): PromptSize {
    const { tokens, largest } = call.promptBound;
    const fits = call.model.window !== null && largest + BYTES_PER_TOKEN * 4 <= call.model.window;
    return { tokens, largest, exact: true, bounded: fits };
  }

  /** What to bill for a prompt vLLM worked on without telling its size. Whatever fails, it is billed: then by a guess. */
  estimate(call: MeteredCall): Promise<number> {
    return asked(call, (server) => this.estimateBy(server, call));
  }

  private async estimateBy(server: Upstream, call: MeteredCall): Promise<number> {
    const counts = await this.count(call, server).catch(this.uncounted);
    if (counts === null) return call.guessedPromptTokens;
    const counted = sum(call.leastSizes(counts).map((count) => Math.min(count, call.keptOfPrompt)));
    const short = await this.shortBy(call, server);
    return short === Infinity ? Math.max(counted, call.guessedPromptTokens) : counted;
  }

  /** As vLLM counts it; null when it cannot. */
  async tokensOf(call: MeteredCall): Promise<number | null> {
    const counts = await asked(call, (server) => this.count(call, server));
    return counts && sum(call.promptSizes(counts));
  }

  private shortBy({ endpoint, model }: MeteredCall, server: Upstream): Promise<number> | 0 {
    return endpoint === 'chat_completions' ? this.chats.shortBy(server, model.servedName) : 0;
  }

  private aboveBy({ endpoint, model, hasTools }: MeteredCall, server: Upstream): number {
    return endpoint === 'chat_completions' ? this.templates.above(server, model, hasTools) : 0;
  }

  /** What to bill for a text vLLM wrote without telling its size. */
  async countText(call: MeteredCall, text: string): Promise<number> {
    if (text === '') return 0;
    const body = Buffer.from(
      JSON.stringify({ model: call.model.servedName, prompt: text, add_special_tokens: false }),
    );
    const counted = await asked(call, ({ vllm }) => vllm.countTokens(body).catch(this.uncounted));
    return counted ?? Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
  }

  private readonly uncounted = (error: unknown): null => {
    this.logger.error({ err: error }, 'tokens could not be counted; they are guessed');
    return null;
  };

  /** Body by body. */
  private async count(call: MeteredCall, { vllm }: Upstream): Promise<number[] | null> {
    const bodies = call.tokenizeBodies();
    if (bodies === null || !call.promptBound.bounded) return null;
    const counts: number[] = [];
    for (const body of bodies) {
      const count = await vllm.countTokens(body);
      if (count === null) return null;
      counts.push(count);
    }
    return counts;
  }
}

/**
 * Asks the server that would get the request now: as a rule it does so in the end, and counts as it renders. When that turns
 * out to be away, another one is asked.
 */
async function asked<T>(
  { model, cacheSalt }: MeteredCall,
  ask: (server: Upstream) => Promise<T>,
): Promise<T> {
  const server = chosen(model.servers, cacheSalt);
  const answer = await ask(server);
  if (!server.isAway) return answer;
  const next = chosen(model.servers, cacheSalt);
  return next.isAway ? answer : ask(next);
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
