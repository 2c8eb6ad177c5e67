import type { DataSource } from 'typeorm';
import type { UsageRange } from './usage-range';

/** Sums of a part of the ledger. */
export interface UsageSums {
  readonly total_tokens: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
  readonly reasoning_tokens: number;
  readonly requests: number;
}

export interface UsageBreakdown {
  readonly totals: UsageSums;
  readonly byDay: readonly (UsageSums & { day: string })[];
  readonly byModel: readonly (UsageSums & { model: string })[];
  /** key_id null: requests made with a session. */
  readonly byKey: readonly (UsageSums & { key_id: string | null; name: string | null })[];
}

const NIL = '00000000-0000-0000-0000-000000000000';

const SUMS = ['prompt_tokens', 'completion_tokens', 'cached_tokens', 'reasoning_tokens', 'requests'] as const;

/** The ledger rows of a part of a day; the hour of slack covers the clock that made the request id. */
const ledgerPart = (from: string, to: string) => `
    SELECT (r.admitted_at AT TIME ZONE $2)::date, coalesce(r.key_id, '${NIL}'), r.model,
      1, r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.reasoning_tokens
    FROM usage_records r
    WHERE ${from}::timestamptz < ${to}::timestamptz AND r.user_id = $1
      AND ($9::uuid IS NULL OR r.key_id = $9) AND r.admitted_at >= ${from} AND r.admitted_at < ${to}
      AND r.request_id >= uuid_v7_floor(greatest(${from}, 'epoch'::timestamptz) - interval '1 hour')
      AND r.request_id < uuid_v7_floor(greatest(${to}, 'epoch'::timestamptz) + interval '1 hour')`;

const BREAKDOWN = `
  WITH counted AS (
    SELECT day, key_id, model, requests, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens
    FROM usage_daily WHERE user_id = $1 AND ($9::uuid IS NULL OR key_id = $9) AND day >= $3::date AND day < $4::date
    UNION ALL ${ledgerPart('$5', '$6')}
    UNION ALL ${ledgerPart('$7', '$8')}
  ), summed AS (
    SELECT day::text, model, key_id, grouping(day, model, key_id) AS level,
      ${SUMS.map((column) => `coalesce(sum(${column}), 0) AS ${column}`).join(', ')}
    FROM counted GROUP BY GROUPING SETS ((), (day), (model), (key_id))
  )
  SELECT s.*, k.name FROM summed s
  LEFT JOIN api_keys k ON k.id = s.key_id AND k.user_id = $1
  ORDER BY s.day, s.prompt_tokens + s.completion_tokens DESC, s.model, s.key_id`;

/** Bits of grouping(day, model, key_id): set for what was summed over. */
const LEVEL = { day: 0b011, model: 0b101, key: 0b110, all: 0b111 } as const;

type SumsRow = Record<(typeof SUMS)[number], string> & {
  level: number;
  day: string | null;
  model: string | null;
  key_id: string | null;
  name: string | null;
};

/** Whole days come from the rollups and the rest of the range from the ledger, so that parts and totals agree. */
export async function breakDown(
  dataSource: DataSource,
  { userId, keyId, zone, range }: { userId: string; keyId?: string; zone: string; range: UsageRange },
): Promise<UsageBreakdown> {
  const rows: SumsRow[] = await dataSource.query(BREAKDOWN, [
    userId,
    zone,
    range.firstDay,
    range.endDay,
    range.from,
    earlier(range.firstDayStart, range.to),
    later(range.endDayStart, range.firstDayStart),
    range.to,
    keyId ?? null,
  ]);
  const of = (level: number) => rows.filter((row) => row.level === level);
  const [totals] = of(LEVEL.all);
  if (!totals) throw new Error('the usage query answered no total');
  return {
    totals: sumsOf(totals),
    byDay: of(LEVEL.day).map((row) => ({ day: row.day ?? '', ...sumsOf(row) })),
    byModel: of(LEVEL.model).map((row) => ({ model: row.model ?? '', ...sumsOf(row) })),
    byKey: of(LEVEL.key).map((row) => ({
      key_id: row.key_id === NIL ? null : row.key_id,
      name: row.name,
      ...sumsOf(row),
    })),
  };
}

const earlier = (a: Date, b: Date) => (a < b ? a : b);
const later = (a: Date, b: Date) => (a > b ? a : b);

function sumsOf(row: SumsRow): UsageSums {
  return {
    total_tokens: Number(row.prompt_tokens) + Number(row.completion_tokens),
    prompt_tokens: Number(row.prompt_tokens),
    completion_tokens: Number(row.completion_tokens),
    cached_tokens: Number(row.cached_tokens),
    reasoning_tokens: Number(row.reasoning_tokens),
    requests: Number(row.requests),
  };
}
