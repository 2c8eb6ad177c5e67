import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { BackfillSums } from './backfill-sums.service';
import { beginCounters } from './begin-counters';
import { countedEvents, countedSum } from './counted-events';
import type { Limit } from './limit.entity';

/** Which counter: editing limits never changes it. */
export interface CounterName {
  readonly subject: Limit['subject'];
  readonly subjectId: string;
  readonly metric: Limit['metric'];
  readonly period: Limit['period'];
  /** Public model name, or '' for any. */
  readonly model: string;
}

interface Unfilled {
  id: string;
  window_start: string;
  backfill_before: string;
  /** How often what is added up has changed: a settlement came late. */
  backfill_changes: number | null;
}

const NAMED = `subject = $1 AND subject_id = $2 AND metric = $3 AND period = $4 AND model = $5`;
// The ledger has an index by user, and none by key.
const OWNERS = {
  user: 'e.user_id = $4',
  key: 'e.key_id = $4 AND e.user_id = (SELECT user_id FROM api_keys WHERE id = $4)',
  everyone: '$4::uuid IS NOT NULL',
} as const;

/** Makes counters for windows that were not counted so far; a new limit starts from what has been used already. */
@Injectable()
export class LimitCounters {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sums: BackfillSums,
    private readonly env: Env,
  ) {}

  /**
   * Requests under way are not counted by a new limit on concurrent requests: it begins with the next one.
   * @param most a subject that has so many counters gets no further one
   */
  async ensure(counter: CounterName, most?: number): Promise<void> {
    if (counter.metric === 'concurrent_requests') return;
    if (!(await this.reserves(counter))) {
      const counters = { ...counter, subjectIds: [counter.subjectId] };
      await beginCounters(this.dataSource, this.env.LIMITS_TIME_ZONE, counters, most);
    }
    for (let row = await this.unfilled(counter); row; row = await this.unfilled(counter)) {
      await this.backfill(counter, row);
    }
  }

  private async reserves(counter: CounterName): Promise<boolean> {
    const rows: unknown[] = await this.dataSource.query(
      `SELECT 1 FROM limit_windows WHERE ${NAMED} AND reserves`,
      valuesOf(counter),
    );
    return rows.length > 0;
  }

  private async unfilled(counter: CounterName): Promise<Unfilled | undefined> {
    const rows: Unfilled[] = await this.dataSource.query(
      `SELECT id, window_start::text, backfill_before::text, backfill_changes FROM limit_windows
       WHERE ${NAMED} AND backfill_before IS NOT NULL`,
      valuesOf(counter),
    );
    return rows[0];
  }

  private async backfill({ subject, subjectId, metric, model }: CounterName, row: Unfilled): Promise<void> {
    const text = `SELECT ${countedSum(metric)} AS used
      FROM (${countedEvents(metric)}) e WHERE ${OWNERS[subject]} AND ($5 = '' OR e.model = $5)`;
    const values = [row.window_start, row.backfill_before, this.env.LIMITS_TIME_ZONE, subjectId, model];
    const used = await (subject === 'everyone'
      ? this.sums.ofAll<{ used: string }>(text, values)
      : this.sums.ofFew<{ used: string }>(text, values));
    // One of those who do this at the same time adds it; a window that has rolled over has nothing to add. Nobody does when
    // the ledger has changed meanwhile.
    await this.dataSource.query(
      `UPDATE limit_windows SET backfill_before = NULL, backfill_changes = NULL,
         used = used + CASE WHEN window_start = $2::timestamptz THEN $3::bigint ELSE 0 END
       WHERE id = $1 AND backfill_before IS NOT NULL AND backfill_changes IS NOT DISTINCT FROM $4::integer`,
      [row.id, row.window_start, used[0]?.used ?? 0, row.backfill_changes],
    );
  }
}

const valuesOf = ({ subject, subjectId, metric, period, model }: CounterName): string[] => [
  subject,
  subjectId,
  metric,
  period,
  model,
];
