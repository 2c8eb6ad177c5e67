import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, Repository } from 'typeorm';
import { Env } from '../config/env';
import type { UpdateUser } from './dto/update-user.dto';
import type { UserResponse } from './dto/user-response.dto';
import { toUserResponse, USER_PROFILE, UserProfileRow } from './user-profile';
import { User } from './user.entity';

/** A user as the API shows one, with this month's tokens: one query. */
@Injectable()
export class UserProfiles {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly env: Env,
  ) {}

  async get(userId: string): Promise<UserResponse> {
    const rows: UserProfileRow[] = await this.users.query(
      `SELECT ${USER_PROFILE} FROM users u WHERE u.id = $2 AND u.deleted_at IS NULL`,
      [this.env.LIMITS_TIME_ZONE, userId],
    );
    const row = rows[0];
    if (!row) throw new NotFoundException('There is no such user.');
    return toUserResponse(row);
  }

  /** Changes what is given; null clears a field. */
  async update(userId: string, { name, email }: UpdateUser): Promise<UserResponse> {
    await this.users.update(
      { id: userId, deletedAt: IsNull() },
      {
        ...(name === undefined ? {} : { name }),
        ...(email === undefined ? {} : { email }),
        updatedAt: () => 'now()',
      },
    );
    return this.get(userId);
  }
}
