import type { JournalEntry } from '../../../src/simulator/journal';
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

/** Whatever contradicts "every generation has one row, and delivered ≤ billed ≤ generated"; empty when all is well. */
export function findings(
  journal: ReadonlyMap<string, readonly JournalEntry[]>,
  ledger: readonly LedgerLine[],
  clients: readonly Seen[],
): string[] {
  const rows = new Map(ledger.map((row) => [row.request_id, row]));
  const found: string[] = [];
  for (const [id, entries] of journal) {
    const generations = entries.filter(({ promptTokens }) => promptTokens > 0);
    if (generations.length === 0) continue;
    const row = rows.get(id);
    if (!row) found.push(`missing: ${id} was generated (${entriesText(generations)}) and has no row`);
    if (generations.length > 1) found.push(`duplicate: ${id} was generated ${generations.length} times`);
  }
  for (const row of ledger) {
    const entries = journal.get(row.request_id) ?? [];
    const prompt = Math.max(0, ...entries.map(({ promptTokens }) => promptTokens));
    const generated = entries.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
    // An estimate (vLLM said nothing of the usage) may be off; it must not be invented.
    if (row.source === 'exact' && (row.prompt > prompt || row.completion > generated)) {
      found.push(`too much: ${rowText(row)}, but vLLM: ${entriesText(entries)}`);
    }
    if (row.source === 'estimated' && entries.length === 0 && row.completion > 0) {
      found.push(`invented: ${rowText(row)}, but vLLM was never asked`);
    }
    if (
      row.source === 'exact' &&
      row.outcome === 'completed' &&
      (row.prompt !== prompt || row.completion !== generated)
    ) {
      found.push(`inexact: ${rowText(row)}, but vLLM: ${entriesText(entries)}`);
    }
  }
  for (const { requestId, status, delivered } of clients) {
    const row = rows.get(requestId);
    if (delivered === 0 || row?.provisional) continue;
    if (!row) found.push(`free: ${requestId} (${status}) delivered ${delivered} tokens and has no row`);
    else if (row.completion < delivered)
      found.push(`too little: ${rowText(row)}, but ${delivered} tokens were delivered`);
  }
  return found;
}

const rowText = (row: LedgerLine): string =>
  `${row.request_id} ${row.outcome} ${row.source} ${row.status}: ${row.prompt} + ${row.completion}`;

const entriesText = (entries: readonly JournalEntry[]): string =>
  entries.map((entry) => `${entry.outcome} ${entry.promptTokens} + ${entry.completionTokens}`).join(', ') ||
  'nothing';
