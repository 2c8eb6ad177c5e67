import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { BackfillSums } from './backfill-sums.service';
import { beginCounters } from './begin-counters';
import { countedEvents, countedSum } from './counted-events';
import type { Limit } from './limit.entity';

/** A counter that many users have one of each, over all models. */
export interface UserCounter {
  readonly metric: Limit['metric'];
  readonly period: Limit['period'];
}

interface Unfilled {
  window_start: string;
  backfill_before: string;
  /** How often what is added up has changed: a settlement came late. */
  backfill_changes: number | null;
  users: string[];
}

/** Users whose usage is added up in one statement. */
const FILLED_AT_ONCE = 50;

const NAMED = `subject = 'user' AND subject_id = ANY ($1::uuid[]) AND metric = $2 AND period = $3 AND model = ''`;

/**
 * What LimitCounters does for one counter, for those of many users: admission stands still once for all of them, and
 * not at all when they have theirs.
 */
@Injectable()
export class UserCounters {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sums: BackfillSums,
    private readonly env: Env,
  ) {}

  async ensure(userIds: readonly string[], counter: UserCounter): Promise<void> {
    if (counter.metric === 'concurrent_requests') return;
    const missing = await this.without(userIds, counter);
    if (missing.length > 0) {
      const counters = { ...counter, subject: 'user', subjectIds: missing, model: '' } as const;
      // A statement of its own: whoever counts waits for its end, and the backfill reads the ledger after it.
      await beginCounters(this.dataSource, this.env.LIMITS_TIME_ZONE, counters);
    }
    for (let groups = await this.unfilled(userIds, counter); groups.length > 0;) {
      for (const group of groups) await this.fill(group, counter);
      groups = await this.unfilled(userIds, counter);
    }
  }

  private async fill(group: Unfilled, counter: UserCounter): Promise<void> {
    for (let i = 0; i < group.users.length; i += FILLED_AT_ONCE) {
      await this.backfill({ ...group, users: group.users.slice(i, i + FILLED_AT_ONCE) }, counter);
    }
  }

  private async without(userIds: readonly string[], { metric, period }: UserCounter): Promise<string[]> {
    const rows: { id: string }[] = await this.dataSource.query(
      `SELECT u.id FROM unnest($1::uuid[]) AS u (id)
       WHERE NOT EXISTS (SELECT 1 FROM limit_windows w WHERE w.subject = 'user' AND w.subject_id = u.id
         AND w.metric = $2 AND w.period = $3 AND w.model = '' AND w.reserves)`,
      [userIds, metric, period],
    );
    return rows.map(({ id }) => id);
  }

  private unfilled(userIds: readonly string[], { metric, period }: UserCounter): Promise<Unfilled[]> {
    return this.dataSource.query(
      `SELECT window_start::text, backfill_before::text, backfill_changes, array_agg(subject_id ORDER BY subject_id) AS users
       FROM limit_windows WHERE ${NAMED} AND backfill_before IS NOT NULL
       GROUP BY window_start, backfill_before, backfill_changes`,
      [userIds, metric, period],
    );
  }

  private async backfill(
    { window_start: from, backfill_before: before, backfill_changes: changes, users }: Unfilled,
    { metric, period }: UserCounter,
  ): Promise<void> {
    const used = await this.sums.ofFew<{ user_id: string; used: string }>(
      `SELECT e.user_id, ${countedSum(metric)} AS used FROM (${countedEvents(metric)}) e
       WHERE e.user_id = ANY ($4::uuid[]) GROUP BY e.user_id`,
      [from, before, this.env.LIMITS_TIME_ZONE, users],
    );
    // One of those who do this at the same time adds it; a window that has rolled over has nothing to add. Nobody does when
    // the ledger has changed meanwhile. Locked in the order of id, as admission and settlement lock counters.
    await this.dataSource.query(
      `WITH locked AS MATERIALIZED (
         SELECT id FROM limit_windows WHERE ${NAMED} AND backfill_before = $4::timestamptz ORDER BY id FOR UPDATE
       )
       UPDATE limit_windows w SET backfill_before = NULL, backfill_changes = NULL,
         used = w.used + CASE WHEN w.window_start = $5::timestamptz THEN coalesce((
           SELECT e.used FROM unnest($6::uuid[], $7::bigint[]) AS e (user_id, used) WHERE e.user_id = w.subject_id
         ), 0) ELSE 0 END
       FROM locked WHERE w.id = locked.id AND w.backfill_before IS NOT NULL
         AND w.backfill_changes IS NOT DISTINCT FROM $8::integer`,
      [
        users,
        metric,
        period,
        before,
        from,
        used.map((row) => row.user_id),
        used.map((row) => row.used),
        changes,
      ],
    );
  }
}
