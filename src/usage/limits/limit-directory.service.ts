import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import { SUBJECTS } from './dto/limit.dto';
import type { LimitsPage, LimitSort, LimitsQuery } from './dto/limits-query.dto';
import type { LimitRow } from './limit-store';
import { toView } from './limit-view';

const SORT: LimitSort = '-created_at';
/** Microseconds since 1970: a Date would cut the time short, and repeat or skip rows. */
const MICROSECONDS = /^-?\d{1,17}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The limits of everyone, of users and of keys as administrators see them, page by page. */
@Injectable()
export class LimitDirectory {
  constructor(private readonly dataSource: DataSource) {}

  async list({ sort = SORT, limit = DEFAULT_PAGE_SIZE, ...query }: LimitsQuery): Promise<LimitsPage> {
    const [, after = null, afterId = null] =
      query.cursor === undefined
        ? []
        : fromCursor(query.cursor, [new RegExp(`^${sort}$`), MICROSECONDS, UUID]);
    const rows: (LimitRow & { place: string })[] = await this.dataSource.query(pageIn(sort), [
      // Named in any case: the index on the id of a subject begins with what it is.
      query.subject === undefined ? SUBJECTS : [query.subject],
      query.subject_id ?? null,
      query.metric ?? null,
      query.window ?? null,
      query.set_by ?? null,
      query.model ?? null,
      after,
      afterId,
      limit + 1,
    ]);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return { data: page.map(toView), next_cursor: last ? toCursor([sort, last.place, last.id]) : null };
  }
}

// Concurrent requests have no window, though their row says total.
function pageIn(sort: LimitSort): string {
  const [direction, behind] = sort === 'created_at' ? ['ASC', '>'] : ['DESC', '<'];
  return `
    SELECT *, (extract(epoch FROM created_at) * 1000000)::bigint::text AS place FROM limits
    WHERE subject = ANY ($1::text[]) AND ($2::uuid IS NULL OR subject_id = $2)
      AND ($3::text IS NULL OR metric = $3)
      AND ($4::text IS NULL OR (period = $4 AND metric <> 'concurrent_requests'))
      AND ($5::text IS NULL OR set_by = $5) AND ($6::text IS NULL OR model = $6)
      AND ($7::bigint IS NULL OR (created_at, id) ${behind}
        ('epoch'::timestamptz + $7 * interval '1 microsecond', $8::uuid))
    ORDER BY created_at ${direction}, id ${direction} LIMIT $9`;
}
