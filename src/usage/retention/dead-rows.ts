import { Injectable } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { isWithdrawn } from '../limits/withdrawn-default';

const ROWS_AT_ONCE = 1_000;

/** What nobody asks for any more: the table, its key, and which of its rows are dead at $1. */
const DEAD: readonly { table: string; key: string; dead: string }[] = [
  // A process that is not listed counts as dead, as one whose lease has run out.
  { table: 'processes', key: 'id', dead: `lease_until < $1::timestamptz - interval '7 days'` },
  // A refresh token whose session is gone is refused just as one whose session has ended.
  {
    table: 'sessions',
    key: 'id',
    dead: `least(expires_at, coalesce(revoked_at, expires_at)) < $1::timestamptz - interval '30 days'`,
  },
  { table: 'login_throttles', key: 'bucket', dead: `window_start < $1::timestamptz - interval '1 day'` },
  // It limits nothing any more, and would be shown as a limit.
  { table: 'limits', key: 'id', dead: `${isWithdrawn('limits')} AND temporary_until <= $1::timestamptz` },
];

/** Clears away rows that would pile up for ever. */
@Injectable()
export class DeadRows {
  async delete(session: QueryRunner, now: Date): Promise<void> {
    for (const { table, key, dead } of DEAD) {
      const statement = `
        WITH gone AS (
          DELETE FROM ${table} WHERE ${key} IN (
            SELECT ${key} FROM ${table} WHERE ${dead} LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED)
          RETURNING 1
        ) SELECT count(*)::int AS deleted FROM gone`;
      let deleted: number;
      do {
        const rows = (await session.query(statement, [now])) as { deleted: number }[];
        deleted = rows[0]?.deleted ?? 0;
      } while (deleted === ROWS_AT_ONCE);
    }
  }
}
