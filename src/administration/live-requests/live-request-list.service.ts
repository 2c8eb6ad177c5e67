import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import type { LiveRequest, LiveRequestsPage, LiveRequestsQuery } from './live-requests.dto';

type LiveRow = Omit<
  LiveRequest,
  'admitted_at' | 'counted_at' | 'reserved_tokens' | 'prompt_tokens' | 'completion_tokens'
> & {
  readonly admitted_at: Date;
  readonly counted_at: Date | null;
  readonly reserved: string;
  readonly prompt_tokens: string | null;
  readonly completion_tokens: string | null;
};

const PLACE = [/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/];

const PAGE = `
  SELECT o.request_id AS id, o.user_id, u.username, o.key_id, k.name AS key_name, o.model, o.endpoint, o.stream,
    o.admitted_at, o.reserved, o.prompt_tokens, o.completion_tokens, o.checkpoint_at AS counted_at, o.process_id,
    p.name AS process_name, o.end_requested_at IS NOT NULL AS ending
  FROM (
    SELECT * FROM open_requests
    WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::uuid IS NULL OR key_id = $2)
      AND ($3::text IS NULL OR model = $3) AND ($4::uuid IS NULL OR request_id < $4)
    ORDER BY request_id DESC LIMIT $5
  ) o
  LEFT JOIN users u ON u.id = o.user_id AND u.deleted_at IS NULL
  LEFT JOIN api_keys k ON k.id = o.key_id
  LEFT JOIN processes p ON p.id = o.process_id
  ORDER BY o.request_id DESC`;

/** What runs at this moment, in all processes over this database, as each has last told. */
@Injectable()
export class LiveRequestList {
  constructor(private readonly dataSource: DataSource) {}

  async page({ cursor, limit = DEFAULT_PAGE_SIZE, ...query }: LiveRequestsQuery): Promise<LiveRequestsPage> {
    const [before = null] = cursor === undefined ? [] : fromCursor('live_requests', cursor, PLACE);
    const rows: LiveRow[] = await this.dataSource.query(PAGE, [
      query.user_id ?? null,
      query.key_id ?? null,
      query.model ?? null,
      before,
      limit + 1,
    ]);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return { data: page.map(shown), next_cursor: last ? toCursor('live_requests', [last.id]) : null };
  }
}

function shown({ reserved, ...row }: LiveRow): LiveRequest {
  return {
    ...row,
    admitted_at: row.admitted_at.toISOString(),
    reserved_tokens: Number(reserved),
    prompt_tokens: row.prompt_tokens === null ? null : Number(row.prompt_tokens),
    completion_tokens: row.completion_tokens === null ? null : Number(row.completion_tokens),
    counted_at: row.counted_at?.toISOString() ?? null,
  };
}
