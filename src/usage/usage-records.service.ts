import { Injectable, StreamableFile } from '@nestjs/common';
import { csvFile, CsvPart } from './csv-file';
import type { UsageRecord, UsageRecordsPage, UsageRecordsQuery } from './dto/usage-records.dto';
import { LedgerReader } from './ledger-reader.service';
import { RECORD_COLUMNS } from './record-columns';
import { fromCursor, toCursor } from './record-cursor';

const DEFAULT_PAGE = 50;
/** Where all records are read. */
const LONG_PAGE = 1_000;

/** A user's own ledger rows, newest first. */
@Injectable()
export class UsageRecords {
  constructor(private readonly ledger: LedgerReader) {}

  async page(userId: string, { cursor, limit = DEFAULT_PAGE }: UsageRecordsQuery): Promise<UsageRecordsPage> {
    const { records, next } = await this.ledger.part({ userId }, placeOf(cursor), limit);
    return { data: records.map(({ record }) => record), next_cursor: next === null ? null : toCursor(next) };
  }

  /** All records, newest first, each page read when it is asked for. */
  async *pages(userId: string): AsyncGenerator<readonly UsageRecord[], void> {
    for (let before: string | null = null; ;) {
      const { records, next } = await this.ledger.part({ userId }, before, LONG_PAGE);
      yield records.map(({ record }) => record);
      if (next === null) return;
      before = next;
    }
  }

  /** All records as CSV. */
  async csv(userId: string, { cursor }: UsageRecordsQuery): Promise<StreamableFile> {
    const part = async (before: string | null): Promise<CsvPart<UsageRecord>> => {
      const { records, next } = await this.ledger.part({ userId }, before, LONG_PAGE);
      return { rows: records.map(({ record }) => record), next: next === null ? null : () => part(next) };
    };
    return csvFile('usage-records.csv', RECORD_COLUMNS, await part(placeOf(cursor)));
  }
}

const placeOf = (cursor: string | undefined): string | null =>
  cursor === undefined ? null : fromCursor(cursor);
