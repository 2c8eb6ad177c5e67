import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { toUserResponse, USER_PROFILE, UserProfileRow } from '../../users/user-profile';
import { usernameKey } from '../../users/username';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import type { AdminUserResponse, UsersPage, UsersQuery } from './dto/users-query.dto';
import { UserOrder, userOrder, UserSort } from './user-sort';

type DirectoryRow = UserProfileRow & {
  readonly last_login_at: Date | null;
  readonly has_password: boolean;
  readonly place: string;
};

const COLUMNS = `${USER_PROFILE}, u.last_login_at, u.password_hash IS NOT NULL AS has_password`;
const SORT: UserSort = '-created_at';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The accounts as administrators see them; deleted ones are not among them. */
@Injectable()
export class UserDirectory {
  constructor(
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  async get(userId: string): Promise<AdminUserResponse> {
    const rows: DirectoryRow[] = await this.dataSource.query(
      `SELECT ${COLUMNS} FROM users u WHERE u.id = $2 AND u.deleted_at IS NULL`,
      [this.env.LIMITS_TIME_ZONE, userId],
    );
    const row = rows[0];
    if (!row) throw new NotFoundException('There is no such user.');
    return shown(row);
  }

  async list({ sort = SORT, limit = DEFAULT_PAGE_SIZE, ...query }: UsersQuery): Promise<UsersPage> {
    const order = userOrder(sort);
    const [, after = null, afterId = null] =
      query.cursor === undefined ? [] : fromCursor('users', query.cursor, [exactly(sort), order.form, UUID]);
    const rows: DirectoryRow[] = await this.dataSource.query(pageOf(order, after !== null), [
      this.env.LIMITS_TIME_ZONE,
      query.search === undefined ? null : part(usernameKey(query.search)),
      query.role ?? null,
      query.status ?? null,
      limit + 1,
      ...(after === null ? [] : [after, afterId]),
    ]);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      data: page.map(shown),
      next_cursor: last ? toCursor('users', [sort, last.place, last.id]) : null,
    };
  }
}

function pageOf({ expression, type, direction }: UserOrder, hasCursor: boolean): string {
  const [place, after] =
    type === 'text'
      ? [expression, '$6::text']
      : [
          `(extract(epoch FROM ${expression}) * 1000000)::bigint::text`,
          `'epoch'::timestamptz + $6::bigint * interval '1 microsecond'`,
        ];
  const behind = direction === 'ASC' ? '>' : '<';
  return `
    SELECT ${COLUMNS}, ${place} AS place
    FROM users u
    WHERE u.deleted_at IS NULL
      AND ($2::text IS NULL OR u.username_key LIKE $2)
      AND ($3::text IS NULL OR u.role = $3)
      AND ($4::text IS NULL OR u.status = $4)
      ${hasCursor ? `AND (${expression}, u.id) ${behind} (${after}, $7::uuid)` : ''}
    ORDER BY ${expression} ${direction}, u.id ${direction}
    LIMIT $5`;
}

/** LIKE, for which there may be an index; nothing in the text that is searched for has a meaning of its own. */
const part = (text: string): string => `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;

function exactly(sort: UserSort): RegExp {
  return new RegExp(`^${sort}$`);
}

function shown(row: DirectoryRow): AdminUserResponse {
  return {
    ...toUserResponse(row),
    last_login_at: row.last_login_at?.toISOString() ?? null,
    has_password: row.has_password,
  };
}
