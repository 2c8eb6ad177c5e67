import { Injectable, Logger } from '@nestjs/common';
import { DataSource, QueryRunner } from 'typeorm';
import { isCanceled } from '../../database/report-statements';
import { NO_KEY } from '../counted-usage';
import { MAINTENANCE_STATEMENT_TIMEOUT_MS } from '../retention/maintenance-timeout';

/** By what each kind of list ranks, beside the user. */
const KEY = { user: `'${NO_KEY}'::uuid`, key: 'key_id' } as const;

/** Beside calendar months and years: so many days, the last of which is the one that runs. */
export const LAST_DAYS = [7, 30, 90, 365] as const;

interface LeaderList {
  readonly kind: keyof typeof KEY;
  /** The calendar month or year, or the last days, as [firstDay, endDay). */
  readonly firstDay: string;
  readonly endDay: string;
  /** How far of it days are closed. */
  readonly reach: string;
}

// The totals are a few rows a day, and know which days have daily sums.
const WANTED = `
  SELECT kind, first_day, end_day FROM (
    SELECT DISTINCT date_trunc(length, day::timestamp)::date AS first_day,
      (date_trunc(length, day::timestamp) + ('1 ' || length)::interval)::date AS end_day
    FROM usage_totals CROSS JOIN (VALUES ('month'), ('year')) l (length)
    UNION
    SELECT closed_until + 2 - length, closed_until + 2
    FROM usage_retention CROSS JOIN unnest(ARRAY[${LAST_DAYS.join(', ')}]) AS length
    WHERE EXISTS (SELECT 1 FROM usage_totals WHERE day > closed_until + 1 - length)
  ) ranges CROSS JOIN (VALUES ('user'), ('key')) k (kind)`;

/** Those of the last days as they were on days before. */
const DELETE_UNWANTED = `
  DELETE FROM usage_leader_lists WHERE (kind, first_day, end_day) NOT IN (${WANTED})`;

// The longest last.
const LACKING = `
  SELECT w.kind, w.first_day::text AS "firstDay", w.end_day::text AS "endDay",
    least(w.end_day, r.closed_until + 1)::text AS reach
  FROM (${WANTED}) w CROSS JOIN usage_retention r LEFT JOIN usage_leader_lists l USING (kind, first_day, end_day)
  WHERE l.until IS DISTINCT FROM least(w.end_day, r.closed_until + 1)
  ORDER BY w.end_day - w.first_day, w.first_day DESC, w.kind`;

/** How far a list can reach; no row while a day of it has changed since it was summed, which the next hour does. */
const REACH = `
  SELECT until::text FROM (SELECT least($2::date, closed_until + 1) AS until FROM usage_retention) r
  WHERE until > $1::date AND NOT EXISTS (SELECT 1 FROM usage_days_changed WHERE day >= $1::date AND day < until)`;

const MAKE = (kind: LeaderList['kind']) => `
  WITH first AS (
    SELECT user_id, ${KEY[kind]} AS key_id, total_of(prompt_tokens + completion_tokens) AS tokens
    FROM usage_daily WHERE day >= $1::date AND day < $3::date GROUP BY 1, 2
    ORDER BY tokens DESC, user_id DESC, key_id DESC LIMIT $4::int + 1
  ), placed AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY tokens DESC, user_id DESC, key_id DESC) AS place FROM first
  ), list AS (
    INSERT INTO usage_leader_lists (kind, first_day, end_day, until, left_out)
    SELECT '${kind}', $1::date, $2::date, $3::date, (SELECT tokens FROM placed WHERE place > $4::int)
  )
  INSERT INTO usage_leaders (kind, first_day, end_day, tokens, user_id, key_id)
  SELECT '${kind}', $1::date, $2::date, tokens, user_id, key_id FROM placed WHERE place <= $4::int`;

// One core at most, as a report.
const AS_A_REPORT = `
  SET LOCAL statement_timeout = ${MAINTENANCE_STATEMENT_TIMEOUT_MS}; SET LOCAL max_parallel_workers_per_gather = 0;
  SET LOCAL work_mem = '64MB'; SET LOCAL jit = off`;

/**
 * Keeps who used most in each calendar month and year, and in the last days, as far as their days are closed. A list whose
 * days have no mark is exact in every snapshot: each change of theirs leaves a mark in the same transaction, and when marks
 * are taken away the lists of their day go with them (a trigger).
 */
@Injectable()
export class UsageLeaders {
  private readonly logger = new Logger(UsageLeaders.name);
  /** Lists, with how far they would reach, that took too long: they will tomorrow, if at all. */
  private readonly tooLong = new Set<string>();

  /** How many a list holds. A report that reaches further adds up all. */
  most = 10_000;

  constructor(private readonly dataSource: DataSource) {}

  /** Makes the lists that are missing or do not reach as far as they could. To be called by one process at a time. */
  async keep(session: QueryRunner, end: AbortSignal): Promise<void> {
    const [{ pid }] = (await session.query('SELECT pg_backend_pid() AS pid')) as [{ pid: number }];
    // Whoever ends the process does not wait for a year to be added up.
    const cancel = (): void => {
      this.dataSource.query('SELECT pg_cancel_backend($1::integer)', [pid]).catch(() => undefined);
    };
    end.addEventListener('abort', cancel);
    try {
      for (const list of (await session.query(LACKING)) as LeaderList[]) {
        if (end.aborted) return;
        await this.tryToMake(session, list, end);
      }
      if (!end.aborted) await session.query(DELETE_UNWANTED);
    } finally {
      end.removeEventListener('abort', cancel);
    }
  }

  /** One that takes too long does not keep the others from being made. */
  private async tryToMake(session: QueryRunner, list: LeaderList, end: AbortSignal): Promise<void> {
    const name = Object.values(list).join(' ');
    if (this.tooLong.has(name)) return;
    try {
      await this.make(session, list, end);
    } catch (error) {
      if (!isCanceled(error)) throw error;
      if (end.aborted) return;
      this.tooLong.add(name);
      this.logger.warn(
        { list },
        'who used most took too long to put in order; reports of it add up all, and it is tried again tomorrow',
      );
    }
  }

  /** In one snapshot: what is not in the sums has a mark there that nobody has taken away yet, or leaves one later. */
  private async make(
    session: QueryRunner,
    { kind, firstDay, endDay }: LeaderList,
    end: AbortSignal,
  ): Promise<void> {
    await session.startTransaction('REPEATABLE READ');
    try {
      await session.query(AS_A_REPORT);
      const [reach] = (await session.query(REACH, [firstDay, endDay])) as { until: string }[];
      if (reach && !end.aborted) {
        await session.query(
          'DELETE FROM usage_leader_lists WHERE kind = $1 AND first_day = $2 AND end_day = $3',
          [kind, firstDay, endDay],
        );
        await session.query(MAKE(kind), [firstDay, endDay, reach.until, this.most]);
      }
      await session.commitTransaction();
    } catch (error) {
      await session.rollbackTransaction();
      throw error;
    }
  }
}
