import { Injectable, StreamableFile } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { DEFAULT_PAGE_SIZE } from '../common/page-query';
import { Env } from '../config/env';
import { csvFile, csvLinesOf, CsvPart } from './csv-file';
import type { UsageRecord, UsageRecordsPage, UsageRecordsQuery } from './dto/usage-records.dto';
import { LedgerFilter, LedgerReader } from './ledger-reader.service';
import { resolveRecentRange } from './recent-range';
import { RECORD_COLUMNS } from './record-columns';
import { fromCursor, toCursor } from './record-cursor';

/** Where all records are read: few enough to be forgotten early, and to keep nobody waiting while they are written. */
const LONG_PAGE = 250;

/** A user's own ledger rows, newest first. */
@Injectable()
export class UsageRecords {
  constructor(
    private readonly ledger: LedgerReader,
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  async page(
    userId: string,
    { limit = DEFAULT_PAGE_SIZE, ...query }: UsageRecordsQuery,
  ): Promise<UsageRecordsPage> {
    const place = placeOf(query);
    const { records, next } = await this.ledger.part(await this.filterOf(userId, query), place, limit);
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

  /** All pages as CSV. */
  async csv(userId: string, query: UsageRecordsQuery): Promise<StreamableFile> {
    const place = placeOf(query);
    const filter = await this.filterOf(userId, query);
    const line = csvLinesOf<UsageRecord>(RECORD_COLUMNS);
    const part = async (before: string | null): Promise<CsvPart> => {
      const { records, next } = await this.ledger.part(filter, before, LONG_PAGE);
      return {
        lines: records.map(({ record }) => line(record)),
        next: next === null ? null : () => part(next),
      };
    };
    return csvFile('usage-records.csv', RECORD_COLUMNS, await part(place));
  }

  /** Always among the user's own records: the id of somebody else's key or request finds nothing. Without a range: all of them. */
  private async filterOf(
    userId: string,
    { request_id: requestId, key_id: keyId, model, outcome, from, to }: UsageRecordsQuery,
  ): Promise<LedgerFilter> {
    if (from === undefined && to === undefined) return { requestId, userId, keyId, model, outcome };
    const range = await resolveRecentRange(this.dataSource, this.env.LIMITS_TIME_ZONE, { from, to });
    return { requestId, userId, keyId, model, outcome, range };
  }
}

const placeOf = ({ cursor }: UsageRecordsQuery): string | null =>
  cursor === undefined ? null : fromCursor(cursor);
