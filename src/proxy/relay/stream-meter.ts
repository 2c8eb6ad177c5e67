import { NO_TOKENS, Source, TokenUsage } from '../../usage/token-usage';
import { findUsage, parseUsage } from './usage-text';
import { ModelName } from './model-name';
import { isSpaced, plainEvent } from './plain-event';

export interface StreamExpectations {
  readonly servedModel: string;
  readonly publicModel: string;
  /** Choices of one prompt, and prompts: vLLM numbers choices prompt × n + choice. */
  readonly choices: number;
  readonly prompts: number;
  /** What the client asked to see. */
  readonly wantsUsage: boolean;
  readonly wantsContinuousUsage: boolean;
}

const DONE = 'data: [DONE]';
const DATA = 'data: {';
const ERROR = 'data: {"error"';
const LAST_OF_ERROR = 0x72;
/** By how many characters the usage of one event may be longer than that of the one before. */
const GROWTH = 8;
const CHOICES = '"choices":[';
const INDEX = '{"index":';
const FINISH_KEY = '"finish_reason":';
const FINISH = '"finish_reason":"';
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const COMMA = 0x2c;
const ZERO = 0x30;
const ROLE = '"delta":{"role":"assistant","content":""';
const QUOTE = 0x22;

/**
 * Reads usage out of the events of a vLLM stream and gives back what the client shall see of each: without the
 * usage it did not ask for, and under the model name it used. Nothing is parsed but the last usage objects.
 */
export class StreamMeter {
  private readonly modelName: ModelName;
  private readonly lastUsage = new Map<number, string>();
  private readonly finished = new Set<number>();
  private total: TokenUsage | null = null;
  private contentFrames = 0;
  /** Events still to come that only begin a choice; null before the first event. */
  private rolesToCome: number | null = null;
  // Where the last event had them: the next one has them there too, or nearly.
  private choicesAt = -1;
  private usageFromEnd = 0;
  private finishBefore = 0;
  /** vLLM sent an error event: it ends the stream, and it has said so itself. */
  sawError = false;
  sawDone = false;

  constructor(private readonly expected: StreamExpectations) {
    this.modelName = new ModelName(expected.servedModel, expected.publicModel);
  }

  /** @returns the event as the client shall see it, or null to leave it out */
  see(frame: string): string | null {
    if (frame === DONE) {
      this.sawDone = true;
      return null;
    }
    if (frame.charCodeAt(DATA.length - 1) !== OPEN_BRACE || !frame.startsWith(DATA)) {
      const plain = plainEvent(frame);
      return plain === frame ? frame : this.see(plain);
    }
    // vLLM writes those of completions with spaces, unlike all others.
    if (frame.charCodeAt(ERROR.length - 2) === LAST_OF_ERROR && frame.startsWith(ERROR)) {
      this.sawError = true;
      return frame;
    }
    const compact = isSpaced(frame, DATA.length) ? plainEvent(frame) : frame;
    return this.modelName.rewrite(this.meter(compact) ?? '') || null;
  }

  private meter(frame: string): string | null {
    const usage = findUsage(frame, frame.length - this.usageFromEnd - GROWTH);
    if (usage) this.usageFromEnd = frame.length - usage.start;
    const choices = this.choicesIn(frame);
    if (usage && choices !== -1 && frame.charCodeAt(choices) === CLOSE_BRACKET) {
      this.total = parseUsage(usage.json) ?? this.total;
      return this.expected.wantsUsage ? frame : null;
    }
    const index = choices === -1 ? 0 : choiceIndex(frame, choices);
    if (!this.isRole(frame)) this.contentFrames += 1;
    if (this.finishes(frame, usage?.start ?? frame.length)) this.finished.add(index);
    if (!usage) return frame;
    this.lastUsage.set(index, usage.json);
    if (this.expected.wantsContinuousUsage) return frame;
    return frame.slice(0, usage.start) + frame.slice(usage.end);
  }

  /** A chat begins each choice with an event that holds no token. They come before all others. */
  private isRole(frame: string): boolean {
    if (this.rolesToCome === 0) return false;
    const isRole = frame.includes(ROLE);
    const { choices, prompts } = this.expected;
    this.rolesToCome = isRole ? (this.rolesToCome ?? choices * prompts) - 1 : 0;
    return isRole;
  }

  /** Whether an event says why its choice ended. The key stands shortly before the usage, or else anywhere. */
  private finishes(frame: string, before: number): boolean {
    if (!frame.startsWith(FINISH_KEY, before - this.finishBefore)) {
      const key = frame.lastIndexOf(FINISH_KEY, before);
      if (key === -1) return frame.includes(FINISH);
      this.finishBefore = before - key;
    }
    return frame.charCodeAt(before - this.finishBefore + FINISH_KEY.length) === QUOTE;
  }

  /** Where the list of choices begins, behind its bracket: at the same place in every event of a stream. */
  private choicesIn(frame: string): number {
    if (this.choicesAt === -1 || !frame.startsWith(CHOICES, this.choicesAt))
      this.choicesAt = frame.indexOf(CHOICES);
    return this.choicesAt === -1 ? -1 : this.choicesAt + CHOICES.length;
  }

  /** Every choice has said why it ended: only then is a stream whole. */
  get isWhole(): boolean {
    return !this.sawError && this.finished.size >= this.expected.choices * this.expected.prompts;
  }

  /**
   * What is known of the tokens. The final totals when they came; else the last count of every choice, summed, each
   * prompt once.
   */
  usage(): { usage: TokenUsage; source: Source; promptKnown: boolean } {
    if (this.total) return { usage: this.total, source: 'exact', promptKnown: true };
    const counted = [...this.lastUsage].map(([index, json]) => ({ index, usage: parseUsage(json) }));
    if (counted.length === 0 || counted.some(({ usage }) => usage === null)) {
      // An upstream without continuous usage: an event of content holds at least one token.
      return {
        usage: { ...NO_TOKENS, completion: this.contentFrames },
        source: 'estimated',
        promptKnown: false,
      };
    }
    const prompts = new Map<number, number>();
    let completion = 0;
    let reasoning = 0;
    for (const { index, usage } of counted) {
      if (!usage) continue;
      prompts.set(Math.floor(index / this.expected.choices), usage.prompt);
      completion += usage.completion;
      reasoning += usage.reasoning;
    }
    const promptKnown = prompts.size >= this.expected.prompts;
    const prompt = [...prompts.values()].reduce((sum, tokens) => sum + tokens, 0);
    return {
      usage: { prompt, cached: 0, completion, reasoning },
      source: promptKnown ? 'exact' : 'estimated',
      promptKnown,
    };
  }
}

/** The index of the one choice an event carries; 0 when it names none. */
function choiceIndex(frame: string, choices: number): number {
  if (!frame.startsWith(INDEX, choices)) return 0;
  const at = choices + INDEX.length;
  // Most are one digit.
  const digit = frame.charCodeAt(at) - ZERO;
  if (frame.charCodeAt(at + 1) === COMMA && digit >= 0 && digit <= 9) return digit;
  return Number.parseInt(frame.slice(at, at + 7), 10) || 0;
}
