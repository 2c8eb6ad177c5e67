import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { UsageRecord, UsageRecordsPage, UsageRecordsQuery } from './dto/usage-records.dto';
import { fromCursor, toCursor } from './record-cursor';
import { csvHeader, csvLine } from './usage-csv';

const DEFAULT_PAGE = 50;
/** Where all records are read. */
const LONG_PAGE = 1_000;

/** Sorts before every UUIDv7 there will be, read backwards. */
const NEWEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const COUNTS = ['prompt_tokens', 'cached_tokens', 'completion_tokens', 'reasoning_tokens'] as const;

type RecordRow = Omit<UsageRecord, 'admitted_at' | 'settled_at' | 'total_tokens' | (typeof COUNTS)[number]> &
  Record<(typeof COUNTS)[number], string> & { admitted_at: Date; settled_at: Date };

// One index walks it: (user_id, request_id). A request id is a UUIDv7, so its order is the order of arrival.
const PAGE = `
  SELECT request_id, admitted_at, settled_at, model, key_id, endpoint, stream, outcome, source, status,
    prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, time_to_first_token_ms, duration_ms
  FROM usage_records WHERE user_id = $1 AND request_id < $2 ORDER BY request_id DESC LIMIT $3`;

/** A user's own ledger rows, newest first. */
@Injectable()
export class UsageRecords {
  constructor(private readonly dataSource: DataSource) {}

  async page(userId: string, { cursor, limit = DEFAULT_PAGE }: UsageRecordsQuery): Promise<UsageRecordsPage> {
    const before = cursor === undefined ? NEWEST : fromCursor(cursor);
    const records = await this.read(userId, before, limit + 1);
    const data = records.slice(0, limit);
    const last = data.at(-1);
    return { data, next_cursor: records.length > limit && last ? toCursor(last.request_id) : null };
  }

  /** All records as CSV, read page by page while the client reads: neither memory nor a transaction holds them. */
  async csv(userId: string, { cursor }: UsageRecordsQuery): Promise<Readable> {
    const pages = this.pages(userId, cursor === undefined ? NEWEST : fromCursor(cursor));
    // The first page is read before the answer begins: a failure so far is still a proper error.
    const first = await pages.next();
    return Readable.from(csvText(first, pages), { objectMode: false });
  }

  /** All records, newest first, each page read when it is asked for. */
  async *pages(userId: string, newest = NEWEST): AsyncGenerator<readonly UsageRecord[], void> {
    for (let before = newest; ;) {
      const records = await this.read(userId, before, LONG_PAGE);
      yield records;
      const last = records.at(-1);
      if (!last || records.length < LONG_PAGE) return;
      before = last.request_id;
    }
  }

  private async read(userId: string, before: string, limit: number): Promise<UsageRecord[]> {
    const rows: RecordRow[] = await this.dataSource.query(PAGE, [userId, before, limit]);
    return rows.map(toRecord);
  }
}

type RecordPages = AsyncGenerator<readonly UsageRecord[], void>;

async function* csvText(
  first: Awaited<ReturnType<RecordPages['next']>>,
  rest: RecordPages,
): AsyncGenerator<string> {
  yield csvHeader();
  for (let page = first; !page.done; page = await rest.next()) {
    if (page.value.length > 0) yield page.value.map(csvLine).join('');
  }
}

function toRecord(row: RecordRow): UsageRecord {
  const prompt = Number(row.prompt_tokens);
  const completion = Number(row.completion_tokens);
  return {
    request_id: row.request_id,
    admitted_at: row.admitted_at.toISOString(),
    settled_at: row.settled_at.toISOString(),
    model: row.model,
    key_id: row.key_id,
    endpoint: row.endpoint,
    stream: row.stream,
    outcome: row.outcome,
    source: row.source,
    status: row.status,
    prompt_tokens: prompt,
    cached_tokens: Number(row.cached_tokens),
    completion_tokens: completion,
    reasoning_tokens: Number(row.reasoning_tokens),
    total_tokens: prompt + completion,
    time_to_first_token_ms: row.time_to_first_token_ms,
    duration_ms: row.duration_ms,
  };
}
