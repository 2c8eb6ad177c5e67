import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import type { Request } from 'express';
import { csvLine, CsvValue } from './csv';

/** A part of a table, and how to get the next one. */
export interface CsvPart<Row> {
  readonly rows: readonly Row[];
  readonly next: (() => Promise<CsvPart<Row>>) | null;
}

/** Whether CSV is asked for, by name or by the Accept header; JSON when in doubt. */
export function wantsCsv({ format }: { format?: 'json' | 'csv' }, request: Request): boolean {
  return (format ?? (request.accepts(['json', 'csv']) === 'csv' ? 'csv' : 'json')) === 'csv';
}

/**
 * A CSV download, read part by part while the client reads.
 * @param first read before the answer begins: a failure so far is still a proper error
 */
export function csvFile<Row extends object>(
  name: string,
  columns: readonly (keyof Row & string)[],
  first: CsvPart<Row>,
): StreamableFile {
  return new StreamableFile(Readable.from(textOf(columns, first), { objectMode: false }), {
    type: 'text/csv; charset=utf-8',
    disposition: `attachment; filename="${name}"`,
  });
}

async function* textOf<Row extends object>(
  columns: readonly (keyof Row & string)[],
  first: CsvPart<Row>,
): AsyncGenerator<string> {
  yield csvLine(columns);
  for (let part: CsvPart<Row> | undefined = first; part; part = await part.next?.()) {
    const lines = part.rows.map((row) => csvLine(columns.map((column) => row[column] as CsvValue)));
    if (lines.length > 0) yield lines.join('');
  }
}
