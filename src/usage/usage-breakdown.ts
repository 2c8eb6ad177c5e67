import type { DataSource } from 'typeorm';
import { COUNTED, countedParameters, NO_KEY, SUMS, sumsOf, SumsRow, UsageSums } from './counted-usage';
import type { UsageRange } from './usage-range';

export interface UsageBreakdown {
  readonly totals: UsageSums;
  readonly byDay: readonly (UsageSums & { day: string })[];
  readonly byModel: readonly (UsageSums & { model: string })[];
  /** key_id null: requests made with a session. */
  readonly byKey: readonly (UsageSums & { key_id: string | null; name: string | null })[];
}

const BREAKDOWN = `
  WITH ${COUNTED}, summed AS (
    SELECT day::text, model, key_id, grouping(day, model, key_id) AS level, ${SUMS}
    FROM counted GROUP BY GROUPING SETS ((), (day), (model), (key_id))
  )
  SELECT s.*, k.name FROM summed s
  LEFT JOIN api_keys k ON k.id = s.key_id AND k.user_id = $1
  ORDER BY s.day, s.prompt_tokens + s.completion_tokens DESC, s.model, s.key_id`;

/** Bits of grouping(day, model, key_id): set for what was summed over. */
const LEVEL = { day: 0b011, model: 0b101, key: 0b110, all: 0b111 } as const;

type LevelRow = SumsRow & {
  level: number;
  day: string | null;
  model: string | null;
  key_id: string | null;
  name: string | null;
};

/** What a user, or one of their keys, has used in a range. */
export async function breakDown(
  dataSource: DataSource,
  { userId, keyId, zone, range }: { userId: string; keyId?: string; zone: string; range: UsageRange },
): Promise<UsageBreakdown> {
  const rows: LevelRow[] = await dataSource.query(
    BREAKDOWN,
    countedParameters({ userId, keyId }, zone, range),
  );
  const of = (level: number) => rows.filter((row) => row.level === level);
  const [totals] = of(LEVEL.all);
  if (!totals) throw new Error('the usage query answered no total');
  return {
    totals: sumsOf(totals),
    byDay: of(LEVEL.day).map((row) => ({ day: row.day ?? '', ...sumsOf(row) })),
    byModel: of(LEVEL.model).map((row) => ({ model: row.model ?? '', ...sumsOf(row) })),
    byKey: of(LEVEL.key).map((row) => ({
      key_id: row.key_id === NO_KEY ? null : row.key_id,
      name: row.name,
      ...sumsOf(row),
    })),
  };
}
