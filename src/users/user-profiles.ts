import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Env } from '../config/env';
import type { UpdateUser } from './dto/update-user.dto';
import type { UserResponse } from './dto/user-response.dto';
import { User } from './user.entity';

type ProfileRow = Omit<UserResponse, 'created_at' | 'token_limit' | 'tokens_used'> & {
  created_at: Date;
  token_limit: string | null;
  tokens_used: string;
};

/** A user as the API shows one, with this month's tokens: one query. */
@Injectable()
export class UserProfiles {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly env: Env,
  ) {}

  async get(userId: string): Promise<UserResponse> {
    const rows: ProfileRow[] = await this.users.query(
      `SELECT u.id, u.username, u.email, u.name, u.role, u.status, u.created_at,
         (SELECT min(l.amount) FROM limits l
           WHERE l.subject = 'user' AND l.subject_id = u.id AND l.metric = 'tokens'
             AND l.period = 'month' AND l.model = '') AS token_limit,
         COALESCE((SELECT w.used FROM limit_windows w
           WHERE w.subject = 'user' AND w.subject_id = u.id AND w.metric = 'tokens' AND w.period = 'month'
             AND w.model = '' AND w.window_start = limit_window_start('month', now(), $2)), 0) AS tokens_used
       FROM users u WHERE u.id = $1 AND u.deleted_at IS NULL`,
      [userId, this.env.LIMITS_TIME_ZONE],
    );
    const row = rows[0];
    if (!row) throw new NotFoundException('There is no such user.');
    return {
      id: row.id,
      username: row.username,
      email: row.email,
      name: row.name,
      role: row.role,
      status: row.status,
      token_limit: row.token_limit === null ? null : Number(row.token_limit),
      tokens_used: Number(row.tokens_used),
      created_at: row.created_at.toISOString(),
    };
  }

  /** Changes what is given; null clears a field. */
  async update(userId: string, { name, email }: UpdateUser): Promise<UserResponse> {
    await this.users.update(
      { id: userId },
      {
        ...(name === undefined ? {} : { name }),
        ...(email === undefined ? {} : { email }),
        updatedAt: () => 'now()',
      },
    );
    return this.get(userId);
  }
}
