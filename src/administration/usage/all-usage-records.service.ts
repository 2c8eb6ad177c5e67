import { Injectable, StreamableFile } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { PartStatements } from '../../database/part-statements';
import { csvFile, csvLinesOf, CsvPart } from '../../usage/csv-file';
import { LedgerFilter, LedgerReader, LedgerRecord } from '../../usage/ledger-reader.service';
import { RECORD_COLUMNS } from '../../usage/record-columns';
import { fromCursor, toCursor } from '../../usage/record-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import { resolveRecentRange } from '../../usage/recent-range';
import type { AllUsageRecordsPage, AllUsageRecordsQuery, UsageRecordOfUser } from './all-usage-records.dto';
import { userOf } from './usage-filter';

/** Few enough to be forgotten before V8 takes them for something that stays. */
const CSV_PAGE = 250;

const NAMES = `
  SELECT u.id, u.username AS name FROM users u WHERE u.id = ANY ($1::uuid[]) AND u.deleted_at IS NULL
  UNION ALL SELECT k.id, k.name FROM api_keys k WHERE k.id = ANY ($2::uuid[])`;

/** The ledger rows of all users, newest first, under the names of today. */
@Injectable()
export class AllUsageRecords {
  constructor(
    private readonly ledger: LedgerReader,
    private readonly statements: PartStatements,
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  async page({ limit = DEFAULT_PAGE_SIZE, ...query }: AllUsageRecordsQuery): Promise<AllUsageRecordsPage> {
    const place = placeOf(query);
    const { records, next } = await this.ledger.part(await this.filterOf(query), place, limit);
    return { data: await this.named(records), next_cursor: next === null ? null : toCursor(next) };
  }

  async csv(query: AllUsageRecordsQuery): Promise<StreamableFile> {
    const place = placeOf(query);
    const filter = await this.filterOf(query);
    const columns = [...RECORD_COLUMNS, 'user_id', 'username', 'key_name'] as const;
    const line = csvLinesOf<UsageRecordOfUser>(columns);
    const part = async (before: string | null): Promise<CsvPart> => {
      const { records, next } = await this.ledger.part(filter, before, CSV_PAGE);
      return { lines: (await this.named(records)).map(line), next: next === null ? null : () => part(next) };
    };
    return csvFile('usage-records-of-all.csv', columns, await part(place));
  }

  private async filterOf(query: AllUsageRecordsQuery): Promise<LedgerFilter> {
    const [range, userId] = await Promise.all([this.rangeOf(query), userOf(this.dataSource, query)]);
    const { request_id: requestId, key_id: keyId, model, outcome } = query;
    return { requestId, userId, keyId, model, outcome, range };
  }

  /** One record is found however old it is, unless a range is asked for. */
  private async rangeOf(query: AllUsageRecordsQuery): Promise<LedgerFilter['range']> {
    const { request_id: requestId, from, to } = query;
    if (requestId !== undefined && from === undefined && to === undefined) return undefined;
    return resolveRecentRange(this.dataSource, this.env.LIMITS_TIME_ZONE, query);
  }

  private async named(records: readonly LedgerRecord[]): Promise<UsageRecordOfUser[]> {
    if (records.length === 0) return [];
    const users = new Set(records.map(({ userId }) => userId));
    const keys = new Set(records.flatMap(({ record }) => record.key_id ?? []));
    const rows = await this.statements.run<{ id: string; name: string }>(NAMES, [[...users], [...keys]]);
    const names = new Map(rows.map(({ id, name }) => [id, name]));
    // Assigned to what was made for this: no copies, which a download would pile up.
    return records.map(({ userId, record }) =>
      Object.assign(record, {
        user_id: userId,
        username: names.get(userId) ?? null,
        key_name: record.key_id === null ? null : (names.get(record.key_id) ?? null),
      }),
    );
  }
}

const placeOf = ({ cursor }: AllUsageRecordsQuery): string | null =>
  cursor === undefined ? null : fromCursor(cursor);
