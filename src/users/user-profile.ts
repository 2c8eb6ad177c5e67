import { amountInForce } from './amount-in-force';
import type { UserResponse } from './dto/user-response.dto';

export type UserProfileRow = Omit<UserResponse, 'created_at' | 'token_limit' | 'tokens_used'> & {
  created_at: Date;
  token_limit: string | null;
  tokens_used: string;
};

/** What a profile shows of `users u`, with this month's tokens; $1 is LIMITS_TIME_ZONE. */
export const USER_PROFILE = `
  u.id, u.username, u.email, u.name, u.role, u.status, u.created_at,
  (SELECT min(${amountInForce('l')}) FROM limits l
    WHERE l.subject = 'user' AND l.subject_id = u.id AND l.metric = 'tokens'
      AND l.period = 'month' AND l.model = '') AS token_limit,
  COALESCE((SELECT w.used FROM limit_windows w
    WHERE w.subject = 'user' AND w.subject_id = u.id AND w.metric = 'tokens' AND w.period = 'month'
      AND w.model = '' AND w.window_start = limit_window_start('month', now(), $1)), 0) AS tokens_used`;

export function toUserResponse(row: UserProfileRow): UserResponse {
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
