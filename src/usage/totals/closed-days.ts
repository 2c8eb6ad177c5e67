import { Injectable } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { Env } from '../../config/env';
import { MAINTENANCE_STATEMENT_TIMEOUT_MS } from '../retention/maintenance-timeout';
import { withPatientLocks } from '../retention/patient-locks';

/** How long a day is over before it is closed: by then hardly anything of it is still running. */
const CLOSED_AFTER = '1 hour';

const CHANGED_DAYS = `SELECT DISTINCT day::text FROM usage_days_changed ORDER BY 1`;

const LAST_TO_CLOSE = `
  SELECT last::text, last <> closed_until AS "isNew"
  FROM usage_retention, LATERAL (SELECT (($1::timestamptz - interval '${CLOSED_AFTER}') AT TIME ZONE $2)::date - 1) d (last)`;

const SUM_DAY = `
  INSERT INTO usage_totals (day, model, with_key, requests, prompt_tokens, cached_tokens, completion_tokens,
    reasoning_tokens)
  SELECT day, model, key_id <> '00000000-0000-0000-0000-000000000000', sum(requests), sum(prompt_tokens),
    sum(cached_tokens), sum(completion_tokens), sum(reasoning_tokens)
  FROM usage_daily WHERE day = $1 GROUP BY 1, 2, 3`;

/**
 * Keeps the totals of days that are over. A day up to `closed_until` without a mark has totals that are the sums of its
 * daily sums, in every snapshot: whoever changes one of those leaves a mark in the same transaction (two triggers), and
 * reports add up what is marked or newer themselves.
 */
@Injectable()
export class ClosedDays {
  constructor(private readonly env: Env) {}

  /** Sums days that have changed, and those that have ended since. To be called by one process at a time. */
  async keep(session: QueryRunner, now: Date, end: AbortSignal): Promise<void> {
    await this.sumChanged(session, end);
    const zone = this.env.LIMITS_TIME_ZONE;
    const [day] = (await session.query(LAST_TO_CLOSE, [now, zone])) as { last: string; isNew: boolean }[];
    if (!day?.isNew) return;
    await withPatientLocks(session, 'SELECT close_usage_days($1::date)', [day.last], end);
    await this.sumChanged(session, end);
  }

  private async sumChanged(session: QueryRunner, end: AbortSignal): Promise<void> {
    for (const { day } of (await session.query(CHANGED_DAYS)) as { day: string }[]) {
      if (end.aborted) return;
      await sumDay(session, day);
    }
  }
}

/**
 * In one snapshot: the marks that go are those of the changes that are in the sums, whatever comes in meanwhile. With them
 * go the lists of leaders that have the day as it was before (a trigger).
 */
async function sumDay(session: QueryRunner, day: string): Promise<void> {
  await session.startTransaction('REPEATABLE READ');
  try {
    await session.query(`SET LOCAL statement_timeout = ${MAINTENANCE_STATEMENT_TIMEOUT_MS}`);
    await session.query('DELETE FROM usage_days_changed WHERE day = $1', [day]);
    await session.query('DELETE FROM usage_totals WHERE day = $1', [day]);
    await session.query(SUM_DAY, [day]);
    await session.commitTransaction();
  } catch (error) {
    await session.rollbackTransaction();
    throw error;
  }
}
