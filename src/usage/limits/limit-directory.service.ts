import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import { LimitView, SUBJECTS } from './dto/limit.dto';
import type { LimitsPage, LimitSort, LimitsQuery } from './dto/limits-query.dto';
import type { LimitRow } from './limit-store';
import { toView } from './limit-view';

const SORT: LimitSort = '-created_at';
/** Microseconds since 1970: a Date would cut the time short, and repeat or skip rows. */
const MICROSECONDS = /^-?\d{1,17}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * How many limits a page looks through at most for those of a filter that has no index: a rare one must not become a walk
 * through the limits of all users.
 */
const LOOK_AT_MOST = 2_000;

/** A limit that the filter is about, or the last one that a page looks at, which tells where to go on; or both. */
type LookedAtRow = LimitRow & { place: string; matches: boolean; is_last: boolean };

/** The limits of everyone, of users and of keys as administrators see them, page by page. */
@Injectable()
export class LimitDirectory {
  constructor(private readonly dataSource: DataSource) {}

  /** @throws NotFoundException when there is none */
  async get(id: string): Promise<LimitView> {
    const [row] = await this.dataSource.query<LimitRow[]>('SELECT * FROM limits WHERE id = $1', [id]);
    if (!row) throw new NotFoundException('There is no such limit.');
    return toView(row);
  }

  async list({ sort = SORT, limit = DEFAULT_PAGE_SIZE, ...query }: LimitsQuery): Promise<LimitsPage> {
    const [, after = null, afterId = null] =
      query.cursor === undefined
        ? []
        : fromCursor('limits', query.cursor, [new RegExp(`^${sort}$`), MICROSECONDS, UUID]);
    const lookedAt: LookedAtRow[] = await this.dataSource.query(pageOf(sort, query), [
      after,
      afterId,
      // Named in any case: the index on the id of a subject begins with what it is.
      query.subject === undefined ? SUBJECTS : [query.subject],
      query.subject_id ?? null,
      query.metric ?? null,
      query.window ?? null,
      query.set_by ?? null,
      query.model ?? null,
      limit + 1,
    ]);
    const rows = lookedAt.filter(({ matches }) => matches);
    const last = rows.length > limit ? rows[limit - 1] : lookedAt.find((row) => row.is_last);
    return {
      data: rows.slice(0, limit).map(toView),
      next_cursor: last ? toCursor('limits', [sort, last.place, last.id]) : null,
    };
  }
}

/**
 * The limits of one subject are few, and found by its id; all others are walked in their order. The limits and the last
 * one looked at come from one statement, which sees one moment: between two, new limits would push it back, and what lies
 * in front of it would come again.
 */
function pageOf(sort: LimitSort, { subject, subject_id: subjectId, set_by: setBy }: LimitsQuery): string {
  const [direction, behind] = sort === 'created_at' ? ['ASC', '>'] : ['DESC', '<'];
  const order = `ORDER BY created_at ${direction}, id ${direction}`;
  // What not every user has, which is an index of its own; in its very words.
  const isRare = (setBy ?? 'default') !== 'default' || (subject ?? 'user') !== 'user';
  const walk = (more = '') => `
    SELECT *, (extract(epoch FROM created_at) * 1000000)::bigint::text AS place${more} FROM limits
    WHERE ($1::bigint IS NULL OR (created_at, id) ${behind}
        ('epoch'::timestamptz + $1 * interval '1 microsecond', $2::uuid))
      ${isRare ? `AND (set_by <> 'default' OR subject <> 'user')` : ''}`;
  // Concurrent requests have no window, though their row says total.
  const filter = `subject = ANY ($3::text[]) AND ($4::uuid IS NULL OR subject_id = $4)
      AND ($5::text IS NULL OR metric = $5)
      AND ($6::text IS NULL OR (period = $6 AND metric <> 'concurrent_requests'))
      AND ($7::text IS NULL OR set_by = $7) AND ($8::text IS NULL OR model = $8)`;
  if (subjectId !== undefined) {
    return `${walk(', true AS matches, false AS is_last')} AND ${filter} ${order} LIMIT $9`;
  }
  return `
    SELECT * FROM (
      SELECT *, ${filter} AS matches, nth = ${LOOK_AT_MOST} AS is_last
      FROM (${walk(`, row_number() OVER (${order}) AS nth`)} ${order} LIMIT ${LOOK_AT_MOST}) walked
    ) looked_at
    WHERE matches OR is_last ${order} LIMIT $9`;
}
