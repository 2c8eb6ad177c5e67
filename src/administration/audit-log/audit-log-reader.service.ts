import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import type { AuditLogEntry, AuditLogPage, AuditLogQuery, AuditLogSort } from './audit-log.dto';
import { resolveRecentRange } from '../../usage/recent-range';

type EntryRow = Omit<AuditLogEntry, 'at' | 'actor'> & {
  readonly at: Date;
  readonly actor_id: string | null;
  readonly actor_username: string | null;
  readonly place: string;
};

/** Microseconds since 1970: a Date would cut the time short, and repeat or skip rows. */
const PLACE = [/^-?\d{1,17}$/, /^\d{1,18}$/];
const SORT: AuditLogSort = '-at';

function pageIn(sort: AuditLogSort): string {
  const [direction, behind] = sort === 'at' ? ['ASC', '>'] : ['DESC', '<'];
  return `
  SELECT a.id::text, a.at, a.actor_id, actor.username AS actor_username, a.action, a.subject, a.subject_id,
    subject_user.username AS subject_username, a.before, a.after, a.address, a.request_id,
    (extract(epoch FROM a.at) * 1000000)::bigint::text AS place
  FROM (
    SELECT * FROM audit_log
    WHERE at >= $1 AND at < $2
      AND ($3::uuid IS NULL OR actor_id = $3)
      AND ($4::text IS NULL OR action = $4)
      AND ($5::text IS NULL OR subject = $5)
      AND ($6::uuid IS NULL OR subject_id = $6)
      AND ($7::bigint IS NULL OR (at, id) ${behind} ('epoch'::timestamptz + $7 * interval '1 microsecond', $8::bigint))
    ORDER BY at ${direction}, id ${direction} LIMIT $9
  ) a
  LEFT JOIN users actor ON actor.id = a.actor_id AND actor.deleted_at IS NULL
  LEFT JOIN users subject_user
    ON a.subject = 'user' AND subject_user.id = a.subject_id AND subject_user.deleted_at IS NULL
  ORDER BY a.at ${direction}, a.id ${direction}`;
}

/** Who did what to whom. Names are those of today: the log itself knows ids alone. */
@Injectable()
export class AuditLogReader {
  constructor(
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  async page({
    cursor,
    sort = SORT,
    limit = DEFAULT_PAGE_SIZE,
    ...query
  }: AuditLogQuery): Promise<AuditLogPage> {
    const [, at = null, id = null] =
      cursor === undefined ? [] : fromCursor('audit_log', cursor, [new RegExp(`^${sort}$`), ...PLACE]);
    const range = await resolveRecentRange(this.dataSource, this.env.LIMITS_TIME_ZONE, query);
    const rows: EntryRow[] = await this.dataSource.query(pageIn(sort), [
      range.from,
      range.to,
      query.actor_id ?? null,
      query.action ?? null,
      query.subject ?? null,
      query.subject_id ?? null,
      at,
      id,
      limit + 1,
    ]);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      data: page.map(shown),
      next_cursor: last ? toCursor('audit_log', [sort, last.place, last.id]) : null,
    };
  }
}

function shown(row: EntryRow): AuditLogEntry {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actor: row.actor_id === null ? null : { id: row.actor_id, username: row.actor_username },
    action: row.action,
    subject: row.subject,
    subject_id: row.subject_id,
    subject_username: row.subject_username,
    before: row.before,
    after: row.after,
    address: row.address,
    request_id: row.request_id,
  };
}
