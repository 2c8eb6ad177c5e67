import { Injectable, Logger } from '@nestjs/common';
import type { Upstream } from '../upstream/upstream';
import { TOOLS } from './template-overheads';

/** By how much a server's counts of a model's chats fall short, as far as it is known. */
interface Known {
  /** As calls told that vLLM was asked to count; null: it could not say. */
  skipsCalls: boolean | null;
  /** As answers showed. In tokens, up to MOST_ADDED. */
  shown: number;
  /** An answer showed more than that: counts are not believed before then. performance.now() */
  doubtedUntil: number;
  /** How long counts are not believed when it happens again, in milliseconds. */
  doubtMs: number;
  /** When vLLM is to be asked again: performance.now(). */
  askAt: number;
  /** It is being asked; resolves when it has answered. */
  asking: Promise<void> | null;
}

type Server = Pick<Upstream, 'vllm'>;

/** When a model in use is asked again: vLLM may come back as another release, or did not say. */
const ASK_AGAIN_MS = 60_000;
const ASK_SOON_MS = 1_000;
/** What a count may fall short by and still be used, with so much added: beyond it nobody knows how far it goes. */
const MOST_ADDED = 64;
/**
 * How long counts are not believed after that. Not for ever: vLLM may have come back as another release. And twice as long
 * each further time: a model whose counts do fall short shall not go over a limit again and again.
 */
const FIRST_DOUBT_MS = 10 * 60_000;

const WORDS = 'one two three four '.repeat(16);
/** Less than the words are in any tokenizer, and more than anything around them. */
const LEAST_TOKENS = 32;

/**
 * Whether vLLM's /tokenize counts all of a chat. Until 0.33 it applies the chat template to gpt-oss as well, whose chats
 * vLLM renders by code of its own: with each call of several, each later system message and all reasoning, where the
 * template has the first call alone and none of the others. So vLLM is asked to count two calls, and each answer's usage is
 * compared with the count that decided. Each process learns for itself.
 */
@Injectable()
export class ChatCounts {
  private readonly logger = new Logger(ChatCounts.name);
  private readonly servers = new Map<Server, Map<string, Known>>();

  /** Waits for vLLM until it has said something. @returns tokens to add to a count; Infinity: counts say nothing */
  async shortBy(server: Server, servedName: string): Promise<number> {
    const known = this.servers.get(server)?.get(servedName) ?? this.begin(server, servedName);
    if (known.asking === null && performance.now() >= known.askAt)
      known.asking = this.ask(server, servedName, known);
    if (known.skipsCalls === null) await known.asking;
    return known.skipsCalls || isDoubted(known) ? Infinity : known.shown;
  }

  /** An answer's prompt had `used` tokens, as vLLM told, where `counted` was the count of this server, that decided. */
  compare(server: Server, servedName: string, counted: number, used: number): void {
    const known = this.servers.get(server)?.get(servedName);
    const short = used - counted;
    // Of many that ran at once, all short by the same, one is a reason to doubt.
    if (!known || short <= known.shown || isDoubted(known)) return;
    if (short <= MOST_ADDED) {
      known.shown = short;
      this.logger.warn(
        { model: servedName, counted, used },
        'vLLM rendered more tokens of a chat than its /tokenize counts: so many are added from now on',
      );
      return;
    }
    this.logger.warn(
      { model: servedName, counted, used, minutes: known.doubtMs / 60_000 },
      'vLLM rendered far more tokens of a chat than its /tokenize counts: near a limit of this model an upper bound ' +
        'decides instead, for so many minutes',
    );
    known.doubtedUntil = performance.now() + known.doubtMs;
    known.doubtMs *= 2;
  }

  private begin(server: Server, servedName: string): Known {
    const known: Known = {
      skipsCalls: null,
      shown: 0,
      doubtedUntil: -Infinity,
      doubtMs: FIRST_DOUBT_MS,
      askAt: -Infinity,
      asking: null,
    };
    const models = this.servers.get(server) ?? new Map<string, Known>();
    this.servers.set(server, models.set(servedName, known));
    return known;
  }

  /** Never rejects. */
  private async ask({ vllm }: Server, model: string, known: Known): Promise<void> {
    const count = (first: string, second: string) =>
      vllm.tryToCount(Buffer.from(JSON.stringify(twoCalls(model, first, second)))).catch(() => null);
    const counts = await Promise.all([count('', ''), count(WORDS, ''), count('', WORDS)]);
    if (counts.every((each) => typeof each === 'number')) this.judge(model, known, counts);
    // A template that takes no two calls refuses them in a chat as well: that says nothing, now or in a second.
    const isSaid = !counts.includes(null) || known.skipsCalls !== null;
    known.askAt = performance.now() + (isSaid ? ASK_AGAIN_MS : ASK_SOON_MS);
    known.asking = null;
  }

  private judge(model: string, known: Known, [neither = 0, first = 0, second = 0]: readonly number[]): void {
    const skipsCalls = first - neither >= LEAST_TOKENS && second - neither < LEAST_TOKENS;
    if (skipsCalls && !known.skipsCalls)
      this.logger.warn(
        { model },
        'vLLM does not count all of a chat for this model: near a limit an upper bound decides instead ' +
          '(gpt-oss: upgrade vLLM to 0.33)',
      );
    known.skipsCalls = skipsCalls;
  }
}

const isDoubted = ({ doubtedUntil }: Known): boolean => performance.now() < doubtedUntil;

/** Their ids are as Mistral's templates want them. */
function twoCalls(model: string, ...texts: readonly string[]): object {
  const calls = texts.map((text, index) => ({
    id: `call0000${index}`,
    type: 'function',
    function: { name: 'f', arguments: JSON.stringify({ text }) },
  }));
  const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'a' }));
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: '', tool_calls: calls },
    ...results,
  ];
  return { model, messages, tools: TOOLS };
}
