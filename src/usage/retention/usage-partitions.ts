import { Injectable, Logger } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { withPatientLocks } from './patient-locks';

/** Months made ahead, beside the current one. */
const MONTHS_AHEAD = 2;

// Months are UTC's, and go to and from SQL as texts such as 2026-11-01: a Date would be shifted by the local zone.
const MISSING = `
  SELECT month::date::text FROM (
    SELECT date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC') + make_interval(months => i) AS month
    FROM generate_series(0, ${MONTHS_AHEAD}) AS i
    UNION
    SELECT date_trunc('month', uuid_v7_time(request_id) AT TIME ZONE 'UTC') FROM usage_records_default
  ) m
  WHERE to_regclass('usage_records_' || to_char(month, 'YYYY_MM')) IS NULL ORDER BY 1`;

const OLD = `
  SELECT to_date(substr(relname, 15), 'YYYY_MM')::text AS month
  FROM pg_inherits JOIN pg_class ON oid = inhrelid
  WHERE inhparent = 'usage_records'::regclass AND relname ~ '^usage_records_\\d{4}_\\d\\d$'
    AND to_date(substr(relname, 15), 'YYYY_MM') < $1::date
  ORDER BY 1`;

/** The monthly partitions of the ledger. */
@Injectable()
export class UsagePartitions {
  private readonly logger = new Logger(UsagePartitions.name);

  /** Makes the current month's, those ahead, and those of records that have none, however old: these move there. */
  async makeMissing(session: QueryRunner, now: Date, end: AbortSignal): Promise<void> {
    const months = (await session.query(MISSING, [now])) as { month: string }[];
    for (const { month } of months) {
      await withPatientLocks(session, 'SELECT ensure_usage_partition($1::timestamp)', [month], end);
      this.logger.log({ month }, 'made a partition of the ledger');
    }
  }

  /** Drops the months before the last `months` whole ones. A month stays while a request that old is still open. */
  async dropOld(session: QueryRunner, now: Date, months: number, end: AbortSignal): Promise<void> {
    const cutoff = firstOfMonth(now, -months);
    const old = (await session.query(OLD, [cutoff])) as { month: string }[];
    for (const { month } of old) {
      const [row] = await withPatientLocks<{ dropped: boolean }>(
        session,
        'SELECT drop_usage_partition($1::timestamp) AS dropped',
        [month],
        end,
      );
      if (row?.dropped) this.logger.log({ month }, 'dropped a month of the ledger');
      else this.logger.warn({ month }, 'a month of the ledger is kept: a request of that age is still open');
    }
  }
}

/** Such as 2026-11-01. */
function firstOfMonth(now: Date, offset: number): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1)).toISOString().slice(0, 10);
}
