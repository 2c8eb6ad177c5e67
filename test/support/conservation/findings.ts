import type { JournalEntry } from '../../../src/simulator/journal';
import type { SeenTokens } from './checkpoints';
import { boundsOf, Estimate, Truth, truthOf } from './bounds';
import type { Seen } from './traffic';

export interface LedgerLine {
  readonly request_id: string;
  readonly outcome: string;
  readonly source: string;
  readonly status: number;
  readonly prompt: number;
  readonly completion: number;
  /** Settled by the reaper at the last checkpoint, and never corrected: its gateway was killed. */
  readonly provisional: boolean;
}

export interface Evidence {
  readonly journal: ReadonlyMap<string, readonly JournalEntry[]>;
  readonly ledger: readonly LedgerLine[];
  readonly clients: readonly Seen[];
  /** The last checkpoint that was seen, by request. */
  readonly checkpoints: ReadonlyMap<string, SeenTokens>;
  /** Guessed, when /tokenize was missing at any time. */
  readonly estimates: Estimate;
}

/** Whatever contradicts "every generation has one row, and delivered ≤ billed ≤ generated"; empty when all is well. */
export function findings({ journal, ledger, clients, checkpoints, estimates }: Evidence): string[] {
  const rows = new Map(ledger.map((row) => [row.request_id, row]));
  const truths = new Map([...journal].map(([id, entries]) => [id, truthOf(entries)]));
  return [
    ...[...truths].flatMap(([id, truth]) => rowMissing(id, truth, rows.get(id))),
    ...ledger.flatMap((row) => {
      const truth = truths.get(row.request_id);
      if (!truth) return invented(row);
      return badly(row, truth, boundsOf(row, truth, estimates), checkpoints.get(row.request_id));
    }),
    ...clients.flatMap((seen) => tooLittle(seen, rows.get(seen.requestId), truths.get(seen.requestId))),
  ];
}

function rowMissing(id: string, truth: Truth, row: LedgerLine | undefined): string[] {
  if (truth.generations === 0) return [];
  return [
    ...(row ? [] : [`missing: ${id} was generated (${truth.text}) and has no row`]),
    ...(truth.generations > 1 ? [`duplicate: ${id} was generated ${truth.generations} times`] : []),
  ];
}

const invented = (row: LedgerLine): string[] =>
  row.completion > 0 || (row.provisional && row.prompt > 0)
    ? [`invented: ${rowText(row)}, but vLLM was never asked`]
    : [];

/** What vLLM did against what was billed for it. */
function badly(
  row: LedgerLine,
  truth: Truth,
  { prompt, completion }: ReturnType<typeof boundsOf>,
  checkpoint: SeenTokens | undefined,
): string[] {
  const found: string[] = [];
  if (row.prompt > prompt.most || row.completion > completion.most) found.push('too much');
  if (row.prompt < prompt.least || row.completion < completion.least) found.push('too little');
  if (row.provisional && checkpoint) {
    // Until vLLM says that it was nothing.
    const isLess = row.prompt < checkpoint.prompt && !truth.saysZero;
    if (isLess || row.completion < checkpoint.completion)
      found.push(`below its checkpoint of ${checkpoint.prompt} + ${checkpoint.completion}`);
  }
  return found.map((what) => `${what}: ${rowText(row)}, but vLLM: ${truth.text}`);
}

/** What clients have read against what was billed for it. */
function tooLittle({ requestId, status, delivered }: Seen, row?: LedgerLine, truth?: Truth): string[] {
  // What a killed gateway sent on after its last checkpoint nobody knows any more.
  if (delivered === 0 || row?.provisional || truth?.saysZero) return [];
  if (!row) return [`free: ${requestId} (${status}) delivered ${delivered} tokens and has no row`];
  return row.completion < delivered
    ? [`too little: ${rowText(row)}, but ${delivered} tokens were delivered`]
    : [];
}

const rowText = (row: LedgerLine): string =>
  `${row.request_id} ${row.outcome} ${row.source} ${row.status}: ${row.prompt} + ${row.completion}`;
