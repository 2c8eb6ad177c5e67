import type { JournalEntry } from '../../../src/simulator/journal';
import type { LedgerLine } from './findings';

/** What vLLM did for one request. */
export interface Truth {
  readonly generations: number;
  readonly prompt: number;
  readonly generated: number;
  /** How many answers at once: n for each prompt. */
  readonly sequences: number;
  /** Its usage says so, whatever was generated, and is believed. */
  readonly saysZero: boolean;
  /** It told no usage, or none that can be true. */
  readonly saysNothing: boolean;
  /** Whole answers, made to their end: what their text holds can be counted whoever left meanwhile. */
  readonly isWholeText: boolean;
  readonly text: string;
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** How far an estimate may be off: as /tokenize counts, and where it is missing, by four bytes for a token of 1 to 8. */
const OFF = { counted: { least: 0.8, most: 1.2 }, guessed: { least: 0.5, most: 2 } };
export type Estimate = keyof typeof OFF;
/** Tokens beside that: of a short text a share is nothing. */
const SLACK = 8;
const ANY = { least: 0, most: Infinity };

export function truthOf(all: readonly JournalEntry[]): Truth {
  // What one server had no room for may have gone to another.
  const taken = all.filter(({ status }) => status !== 503 && status !== 429);
  const entries = taken.length > 0 ? taken : all;
  return {
    generations: taken.filter(({ promptTokens }) => promptTokens > 0).length,
    prompt: Math.max(0, ...entries.map(({ promptTokens }) => promptTokens)),
    generated: entries.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
    sequences: Math.max(0, ...entries.map(({ sequences }) => sequences)),
    saysZero: told(entries, 'zero'),
    saysNothing: told(entries, 'omit') || told(entries, 'bad'),
    isWholeText:
      entries.length > 0 && entries.every(({ outcome, stream }) => outcome === 'completed' && !stream),
    text:
      all.map((entry) => `${entry.outcome} ${entry.promptTokens} + ${entry.completionTokens}`).join(', ') ||
      'nothing',
  };
}

const told = (entries: readonly JournalEntry[], usage: string): boolean =>
  entries.some(({ body }) => JSON.stringify(body).includes(`\\"usage\\":\\"${usage}\\"`));

/** Between what a row must lie, both ends included. */
export function boundsOf(
  row: LedgerLine,
  truth: Truth,
  estimate: Estimate,
): { prompt: Bounds; completion: Bounds } {
  const { prompt, generated, sequences, saysZero, saysNothing, isWholeText } = truth;
  const completed = row.outcome === 'completed';
  if (row.source === 'exact') {
    return {
      prompt: { least: completed ? prompt : 0, most: prompt },
      completion: { least: completed && !saysZero ? generated : 0, most: saysZero ? 0 : generated },
    };
  }
  // Of a stream without usage each event counts as a token, and each answer has a first event without one.
  const counted = { least: 0, most: saysZero ? 0 : generated + (saysNothing ? sequences : 0) };
  const whole = about(generated, estimate, sequences);
  // Its text is counted, by about as much, also when its client did not wait for it.
  const isCounted = isWholeText && saysNothing;
  // A checkpoint is what vLLM told by then, or what its prompt had at least; killed before the first, nothing.
  if (row.provisional) return { prompt: { least: 0, most: prompt }, completion: counted };
  return {
    // A client that left while vLLM refused its request: vLLM never counted the prompt.
    prompt: prompt === 0 ? ANY : about(prompt, estimate),
    completion: completed ? whole : isCounted ? { least: 0, most: whole.most } : counted,
  };
}

const about = (tokens: number, estimate: Estimate, more = 0): Bounds => ({
  least: Math.floor(tokens * OFF[estimate].least) - SLACK,
  most: Math.ceil(tokens * OFF[estimate].most) + SLACK + more,
});
