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

/** Stands for the key of requests that were made with a session. */
export const NO_KEY = '00000000-0000-0000-0000-000000000000';

/** What is counted of requests. */
export const COUNTS = [
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'requests',
] as const;

/** Aggregates over `counted`. */
export const SUMS = COUNTS.map((column) => `coalesce(sum(${column}), 0) AS ${column}`).join(', ');

/** A row of SUMS: PostgreSQL's sums come as text. */
export type SumsRow = Record<(typeof COUNTS)[number], string>;

export function sumsOf(row: SumsRow): UsageSums {
  return {
    total_tokens: Number(row.prompt_tokens) + Number(row.completion_tokens),
    prompt_tokens: Number(row.prompt_tokens),
    completion_tokens: Number(row.completion_tokens),
    cached_tokens: Number(row.cached_tokens),
    reasoning_tokens: Number(row.reasoning_tokens),
    requests: Number(row.requests),
  };
}

const filter = (key: string) => `($1::uuid IS NULL OR user_id = $1) AND ($9::uuid IS NULL OR ${key} = $9)
      AND ($10::text IS NULL OR model = $10)`;

const LEDGER_KEY = `coalesce(key_id, '${NO_KEY}')`;

/** The ledger rows of a part of a day; the hour of slack covers the clock that made the request id. */
const ledgerPart = (from: string, to: string, whose: string) => `
    SELECT user_id, (admitted_at AT TIME ZONE $2)::date AS day, ${LEDGER_KEY} AS key_id, model,
      1 AS requests, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens
    FROM usage_records
    WHERE ${whose} AND ${from}::timestamptz < ${to}::timestamptz AND ${filter(LEDGER_KEY)}
      AND admitted_at >= ${from} AND admitted_at < ${to}
      AND request_id >= uuid_v7_floor(greatest(${from}, 'epoch'::timestamptz) - interval '1 hour')
      AND request_id < uuid_v7_floor(greatest(${to}, 'epoch'::timestamptz) + interval '1 hour')`;

/** The records of the parts of days at both ends of the range. */
export const partsOfDays = (whose: string) => `${ledgerPart('$5', '$6', whose)}
    UNION ALL ${ledgerPart('$7', '$8', whose)}`;

/**
 * What counts, over $1 to $10. Whole days come from the rollups and the rest of the range from the ledger, so that parts
 * and totals agree. What is not filtered by is null: each execution is planned for its own values, and PostgreSQL then
 * leaves such a condition out.
 * @param whose a further condition, on user_id
 * @param firstDay of the whole days, when those before it are counted already
 */
export const countedRows = (whose = 'true', firstDay = '$3::date') => `
    SELECT user_id, day, key_id, model, requests, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens
    FROM usage_daily WHERE ${whose} AND ${filter('key_id')} AND day >= ${firstDay} AND day < $4::date
    UNION ALL ${partsOfDays(whose)}`;

/** The common table expression `counted`. */
export const COUNTED = `counted AS (${countedRows()}
  )`;

/**
 * `counted` of all users together, by day and model alone: days that are closed and have not changed since come from
 * their totals. For what is filtered by nothing, by model, or by NO_KEY.
 */
export const COUNTED_TOGETHER = `open_days AS MATERIALIZED (
    SELECT day FROM (SELECT $3::date + i AS day FROM generate_series(0, $4::date - $3::date - 1) AS i) days
    WHERE day > (SELECT closed_until FROM usage_retention)
      OR EXISTS (SELECT 1 FROM usage_days_changed c WHERE c.day = days.day)
  ), counted AS (
    SELECT day, model, ${COUNTS.join(', ')}
    FROM usage_totals t WHERE day >= $3::date AND day < $4::date AND ($9::uuid IS NULL OR NOT with_key)
      AND ($10::text IS NULL OR model = $10) AND NOT EXISTS (SELECT 1 FROM open_days o WHERE o.day = t.day)
    UNION ALL
    SELECT o.day, s.* FROM open_days o CROSS JOIN LATERAL usage_of_day(o.day, $9::uuid, $10::text) s
    UNION ALL
    SELECT day, model, ${COUNTS.join(', ')}
    FROM (${partsOfDays('true')}) parts
  )`;

export interface CountedFilter {
  readonly userId?: string;
  /** NO_KEY: with a session. */
  readonly keyId?: string;
  /** Public name. */
  readonly model?: string;
}

/** $1 to $10 of COUNTED. */
export function countedParameters(
  { userId, keyId, model }: CountedFilter,
  zone: string,
  range: UsageRange,
): unknown[] {
  return [
    userId ?? null,
    zone,
    range.firstDay,
    range.endDay,
    range.from,
    earlier(range.firstDayStart, range.to),
    later(range.endDayStart, range.firstDayStart),
    range.to,
    keyId ?? null,
    model ?? null,
  ];
}

const earlier = (a: Date, b: Date) => (a < b ? a : b);
const later = (a: Date, b: Date) => (a > b ? a : b);
