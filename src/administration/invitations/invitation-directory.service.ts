import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Role } from '../../common/principal';
import type { GivenLimit } from '../../users/first-limits';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import type {
  InvitationResponse,
  InvitationsPage,
  InvitationsQuery,
  InvitationStatus,
} from './invitation.dto';
import { InvitationOrder, invitationOrder, InvitationSort } from './invitation-sort';
import { toLimitView } from './invited-limits';

interface InvitationRow {
  readonly id: string;
  readonly status: InvitationStatus;
  readonly role: Role;
  readonly note: string | null;
  readonly limits: readonly GivenLimit[];
  readonly created_by: string;
  readonly maker: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly used_by: string | null;
  readonly user: string | null;
  readonly used_at: Date | null;
  readonly revoked_at: Date | null;
}

const SORT: InvitationSort = '-created_at';
const MICROSECONDS = /^-?\d{1,17}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const INVITATIONS = (more = '') => `
  SELECT i.id, i.status, i.role, i.note, i.limits, i.created_by, maker.username AS maker, i.created_at, i.expires_at,
    i.used_by, invited.username AS user, i.used_at, i.revoked_at${more}
  FROM (
    SELECT *, CASE WHEN used_at IS NOT NULL THEN 'used' WHEN revoked_at IS NOT NULL THEN 'revoked'
      WHEN expires_at <= now() THEN 'expired' ELSE 'open' END AS status
    FROM invitations
  ) i
  LEFT JOIN users maker ON maker.id = i.created_by AND maker.deleted_at IS NULL
  LEFT JOIN users invited ON invited.id = i.used_by AND invited.deleted_at IS NULL`;

// strpos and not LIKE: nothing in the text that is searched for has a meaning of its own.
export function invitationsPage({ column, direction }: InvitationOrder): string {
  const behind = direction === 'ASC' ? '>' : '<';
  return `${INVITATIONS(`, (extract(epoch FROM ${column}) * 1000000)::bigint::text AS place`)}
  WHERE ($1::text IS NULL OR i.status = $1)
    AND ($2::text IS NULL OR strpos(lower(i.note), lower($2)) > 0)
    AND ($3::bigint IS NULL OR (${column}, i.id) ${behind}
      ('epoch'::timestamptz + $3 * interval '1 microsecond', $4::uuid))
  ORDER BY ${column} ${direction}, i.id ${direction} LIMIT $5`;
}

/** The invitations as administrators see them: without their tokens, which nobody sees again. */
@Injectable()
export class InvitationDirectory {
  constructor(private readonly dataSource: DataSource) {}

  async get(id: string): Promise<InvitationResponse> {
    const rows: InvitationRow[] = await this.dataSource.query(`${INVITATIONS()} WHERE i.id = $1`, [id]);
    if (!rows[0]) throw noSuchInvitation();
    return shown(rows[0]);
  }

  async list({
    status,
    search,
    cursor,
    sort = SORT,
    limit = DEFAULT_PAGE_SIZE,
  }: InvitationsQuery): Promise<InvitationsPage> {
    const [, after = null, afterId = null] =
      cursor === undefined
        ? []
        : fromCursor('invitations', cursor, [new RegExp(`^${sort}$`), MICROSECONDS, UUID]);
    const rows: (InvitationRow & { place: string })[] = await this.dataSource.query(
      invitationsPage(invitationOrder(sort)),
      [status ?? null, search ?? null, after, afterId, limit + 1],
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      data: page.map(shown),
      next_cursor: last ? toCursor('invitations', [sort, last.place, last.id]) : null,
    };
  }
}

function noSuchInvitation(): NotFoundException {
  return new NotFoundException('There is no such invitation.');
}

function shown(row: InvitationRow): InvitationResponse {
  return {
    id: row.id,
    status: row.status,
    role: row.role,
    note: row.note,
    limits: row.limits.map(toLimitView),
    created_by: { id: row.created_by, username: row.maker },
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    used_by: row.used_by === null ? null : { id: row.used_by, username: row.user },
    used_at: row.used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}
