import type { DataSource } from 'typeorm';

/** Of a limit that a run uses up. */
export const LIMIT_IN_TOTAL = 400;

interface Usage {
  readonly user_id: string;
  readonly used: number;
  /** Of it what requests used that were settled at a checkpoint, and may have gone on. */
  readonly by_paused: number;
}

/**
 * Who used more than a limit in total allows. What a process that was paused beyond its lease had reserved is free for
 * others meanwhile, so its requests may come on top (docs/decisions/0010); nothing else may.
 */
export async function overshoot(db: DataSource, settledAtCheckpoint: ReadonlySet<string>): Promise<string[]> {
  const rows = await db.query<Usage[]>(
    `SELECT r.user_id, sum(prompt_tokens + completion_tokens)::int AS used,
       coalesce(sum(prompt_tokens + completion_tokens) FILTER (WHERE request_id = ANY ($1::uuid[])), 0)::int AS by_paused
     FROM usage_records r
     JOIN limits l ON l.subject_id = r.user_id AND l.metric = 'tokens' AND l.period = 'total'
     GROUP BY 1`,
    [[...settledAtCheckpoint]],
  );
  const spent = rows.filter(({ used }) => used > LIMIT_IN_TOTAL / 2);
  return [
    ...(spent.length > 0 ? [] : ['limits in total: nobody came near one']),
    ...rows
      .filter(({ used, by_paused }) => used > LIMIT_IN_TOTAL + by_paused)
      .map(
        (row) =>
          `over: ${row.user_id} used ${row.used} of ${LIMIT_IN_TOTAL}, ${row.by_paused} by paused processes`,
      ),
  ];
}
