import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import type { Request } from 'express';
import { csvLine, CsvValue } from './csv';

/** A part of a table, and how to get the next one. */
export interface CsvPart {
  readonly lines: readonly string[];
  readonly next: (() => Promise<CsvPart>) | null;
}

/** So many lines are sent at once: a long part must not keep others waiting while it becomes bytes. */
const LINES_AT_ONCE = 500;

/** Whether CSV is asked for, by name or by the Accept header; JSON when in doubt. */
export function wantsCsv({ format }: { format?: 'json' | 'csv' }, request: Request): boolean {
  return (format ?? (request.accepts(['json', 'csv']) === 'csv' ? 'csv' : 'json')) === 'csv';
}

/** Makes a line of a row. */
export const csvLinesOf =
  <Row extends object>(columns: readonly (keyof Row & string)[]) =>
  (row: Row): string =>
    csvLine(columns.map((column) => row[column] as CsvValue));

/**
 * A CSV download, read part by part while the client reads.
 * @param first read before the answer begins: a failure so far is still a proper error
 */
export function csvFile(name: string, columns: readonly string[], first: CsvPart): StreamableFile {
  const file: Readable = Readable.from(
    textOf(columns, first, () => file.destroyed),
    { objectMode: false },
  );
  return new StreamableFile(file, {
    type: 'text/csv; charset=utf-8',
    disposition: `attachment; filename="${name}"`,
  });
}

/** @param isLeft whether its reader is gone; without a line to give, nothing else would tell */
async function* textOf(
  columns: readonly string[],
  first: CsvPart,
  isLeft: () => boolean,
): AsyncGenerator<string> {
  yield csvLine(columns);
  for (let part: CsvPart | undefined = first; part && !isLeft(); part = await part.next?.()) {
    for (let at = 0; at < part.lines.length; at += LINES_AT_ONCE) {
      yield part.lines.slice(at, at + LINES_AT_ONCE).join('');
    }
  }
}
