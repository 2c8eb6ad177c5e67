import { Injectable } from '@nestjs/common';
import { PartStatements } from '../database/part-statements';
import { NO_KEY } from './counted-usage';
import type { UsageRecord } from './dto/usage-records.dto';
import type { Outcome } from './token-usage';

export interface LedgerFilter {
  /** x-request-id of one generation. */
  readonly requestId?: string;
  readonly userId?: string;
  /** NO_KEY: with a session. */
  readonly keyId?: string;
  /** Public name. */
  readonly model?: string;
  readonly outcome?: Outcome;
  /** Of the admission: [from, to). */
  readonly range?: { readonly from: Date; readonly to: Date };
}

export interface LedgerRecord {
  readonly userId: string;
  readonly record: UsageRecord;
}

export interface LedgerPart {
  /** Newest first. */
  readonly records: LedgerRecord[];
  /** The request id to go on behind; null: there is nothing more. */
  readonly next: string | null;
}

/**
 * How many records a part looks through at most for those of a key, a model or an outcome, of which there is no index:
 * a rare one must not become a walk through the whole ledger, nor every request pay for another index. What is not rare
 * is found among the first few, which PostgreSQL then need not sort.
 */
const LOOK_FIRST = 1_000;
const LOOK_AT_MOST = 10_000;

const OLDEST = '00000000-0000-0000-0000-000000000000';
/** Sorts behind every UUIDv7 there will be. */
const NEWEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Between the clock that made a request id and the database's, which wrote the admission; milliseconds. */
const CLOCK_SLACK_MS = 3_600_000;

const COUNTS = ['prompt_tokens', 'cached_tokens', 'completion_tokens', 'reasoning_tokens'] as const;

type RecordRow = Omit<UsageRecord, 'admitted_at' | 'settled_at' | 'total_tokens' | (typeof COUNTS)[number]> &
  Record<(typeof COUNTS)[number], string> & { user_id: string; admitted_at: Date; settled_at: Date };

/** A row that the filter is about, or the last one that a part looks at, which tells where to go on; or both. */
type LookedAtRow = RecordRow & { readonly matches: boolean; readonly is_last: boolean };

const COLUMNS = `request_id, admitted_at, settled_at, user_id, model, key_id, endpoint, stream, outcome, source, status,
    prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, time_to_first_token_ms, duration_ms`;

// One index walks it, (user_id, request_id) or (request_id): a request id is a UUIDv7, its order that of arrival.
const WALK = `FROM usage_records
  WHERE ($1::uuid IS NULL OR user_id = $1) AND request_id >= $2::uuid AND request_id < $3::uuid
    AND ($4::timestamptz IS NULL OR admitted_at >= $4) AND ($5::timestamptz IS NULL OR admitted_at < $5)
  ORDER BY request_id DESC`;

const PART = `SELECT ${COLUMNS} ${WALK} LIMIT $6`;

// The records and the last one looked at in one statement, which sees one moment: between two, new records would push it
// back, and what lies in front of it would come again.
const narrowPart = (lookedThrough: number) => `
  SELECT * FROM (
    SELECT *, ($7::uuid IS NULL OR coalesce(key_id, '${NO_KEY}') = $7) AND ($8::text IS NULL OR model = $8)
        AND ($9::text IS NULL OR outcome = $9) AS matches, nth = ${lookedThrough} AS is_last
    FROM (
      SELECT ${COLUMNS}, row_number() OVER (ORDER BY request_id DESC) AS nth ${WALK} LIMIT ${lookedThrough}
    ) walked
  ) looked_at
  WHERE matches OR is_last
  ORDER BY request_id DESC LIMIT $6`;

// By the primary key alone, in the one partition that can have it; whatever else is asked for only says yes or no.
const ONE = `SELECT ${COLUMNS} FROM usage_records
  WHERE request_id = $1::uuid AND ($2::uuid IS NULL OR user_id = $2)
    AND ($3::uuid IS NULL OR coalesce(key_id, '${NO_KEY}') = $3) AND ($4::text IS NULL OR model = $4)
    AND ($5::text IS NULL OR outcome = $5) AND ($6::timestamptz IS NULL OR admitted_at >= $6)
    AND ($7::timestamptz IS NULL OR admitted_at < $7) AND ($8::uuid IS NULL OR request_id < $8)`;

/** Reads the ledger backwards in time, part by part: neither memory nor a transaction ever holds more. */
@Injectable()
export class LedgerReader {
  constructor(private readonly statements: PartStatements) {}

  /**
   * At most `limit` records from before a request id. With a filter on key, model or outcome they may be fewer, even
   * none, and yet not the last ones.
   */
  async part(filter: LedgerFilter, before: string | null, limit: number): Promise<LedgerPart> {
    const { requestId, userId = null, keyId = null, model = null, outcome = null, range } = filter;
    if (requestId !== undefined) {
      const asked = [
        requestId,
        userId,
        keyId,
        model,
        outcome,
        range?.from ?? null,
        range?.to ?? null,
        before,
      ];
      return partOf(await this.statements.run<RecordRow>(ONE, asked), limit);
    }
    const walk = [userId, ...bounds(range, before)];
    const values = [...walk, limit + 1];
    if (keyId === null && model === null && outcome === null) {
      return partOf(await this.statements.run<RecordRow>(PART, values), limit);
    }
    const look = async (through: number): Promise<LedgerPart & { readonly mayHaveMore: boolean }> => {
      const filters = [keyId, model, outcome];
      const rows = await this.statements.run<LookedAtRow>(narrowPart(through), [...values, ...filters]);
      const last = rows.find((row) => row.is_last)?.request_id ?? null;
      const part = partOf(
        rows.filter((row) => row.matches),
        limit,
        last,
      );
      return { ...part, mayHaveMore: part.records.length < limit && last !== null };
    };
    const first = await look(LOOK_FIRST);
    const { records, next } = first.mayHaveMore ? await look(LOOK_AT_MOST) : first;
    return { records, next };
  }
}

/** @param otherwise where to go on when there are no more than `limit` rows */
function partOf(rows: readonly RecordRow[], limit: number, otherwise: string | null = null): LedgerPart {
  const records = rows.slice(0, limit).map(toRecord);
  return { records, next: rows.length > limit ? (rows[limit - 1]?.request_id ?? null) : otherwise };
}

/** The range as request ids, so that the index and the partitions know it, too; and as it is. */
function bounds(range: LedgerFilter['range'], before: string | null): unknown[] {
  if (!range) return [OLDEST, before ?? NEWEST, null, null];
  const from = firstRequestId(range.from.getTime() - CLOCK_SLACK_MS);
  const to = firstRequestId(range.to.getTime() + CLOCK_SLACK_MS);
  return [from, before !== null && before < to ? before : to, range.from, range.to];
}

function firstRequestId(milliseconds: number): string {
  const hex = Math.max(0, milliseconds).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

// Field by field: a copy by spread that gets more fields survives the collections of young objects, and a download of all
// records would keep them until the next full one.
function toRecord(row: RecordRow): LedgerRecord {
  const prompt = Number(row.prompt_tokens);
  const completion = Number(row.completion_tokens);
  return {
    userId: row.user_id,
    record: {
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
    },
  };
}
