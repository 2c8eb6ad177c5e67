import { ApiException } from '../../common/api.exception';

/** The limit that stood in the way. */
export interface BlockingLimit {
  readonly subject: 'everyone' | 'user' | 'key';
  readonly metric: 'tokens' | 'requests' | 'concurrent_requests';
  readonly period: 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';
  readonly setBy: 'default' | 'admin' | 'self';
  readonly amount: number;
  readonly used: number;
  readonly reserved: number;
  readonly resetsAt: Date | null;
}

// opencode decides by text too: a final refusal must hold no digits (they may read as 429 or 500) and none of the
// words it takes for a passing fault. Numbers are in the headers and at GET /v1/usage.
const RESETS: Readonly<Record<BlockingLimit['period'], string>> = {
  minute: 'at the start of the next minute',
  hour: 'at the start of the next hour',
  day: 'at the start of the next day',
  week: 'at the start of next week',
  month: 'at the start of next month',
  total: 'never by itself: only an administrator can raise it',
};

const OWNERS: Readonly<Record<BlockingLimit['subject'], string>> = {
  user: 'your account',
  key: 'this API key',
  everyone: 'all users together',
};

const PERIODS: Readonly<Record<BlockingLimit['period'], string>> = {
  minute: 'this minute',
  hour: 'this hour',
  day: 'today',
  week: 'this week',
  month: 'this month',
  total: 'in total',
};

/** What is used leaves no room: final until the window ends or somebody raises the limit. */
export function quotaExceeded(limit: BlockingLimit, status: number): ApiException {
  const own = limit.setBy === 'self' ? ' It is a limit you set yourself and may lift.' : '';
  return new ApiException({
    status,
    code: 'insufficient_quota',
    type: 'insufficient_quota',
    message:
      `The token quota of ${OWNERS[limit.subject]} is used up ${PERIODS[limit.period]}. ` +
      `It resets ${RESETS[limit.period]}.${own}`,
    headers: { 'x-should-retry': 'false' },
  });
}

/** Room exists, but other requests under way hold it. */
export function quotaBusy(limit: BlockingLimit): ApiException {
  return new ApiException({
    status: 429,
    code: 'quota_reserved',
    message: `Other requests under way hold the rest of the token quota of ${OWNERS[limit.subject]}. Retry shortly.`,
    headers: { 'retry-after': '2' },
  });
}

export function rateLimited(limit: BlockingLimit, now: Date): ApiException {
  const seconds =
    limit.metric === 'concurrent_requests' || limit.resetsAt === null
      ? 1
      : Math.min(60, Math.max(1, Math.ceil((limit.resetsAt.getTime() - now.getTime()) / 1_000)));
  const what =
    limit.metric === 'requests' ? `Too many requests ${PERIODS[limit.period]}` : 'Too many requests at once';
  return new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message: `${what} for ${OWNERS[limit.subject]}. Retry after ${seconds} s.`,
    headers: { 'retry-after': String(seconds) },
  });
}

export const keyNoLongerValid = (): ApiException =>
  new ApiException({
    status: 401,
    code: 'invalid_api_key',
    message: 'This API key is revoked, expired or unknown. Make a new one at POST /users/me/api-keys.',
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });

export const userInactive = (): ApiException =>
  new ApiException({
    status: 401,
    code: 'account_inactive',
    message: 'This account is not active. Ask an administrator.',
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });

export const modelForbidden = (model: string): ApiException =>
  new ApiException({
    status: 404,
    code: 'model_not_found',
    param: 'model',
    message: `The model \`${model}\` does not exist or this key may not use it. GET /v1/models lists what it may use.`,
  });

/** In any doubt nobody is let through, and nobody is told that a good key is bad. */
export const admissionUnavailable = (cause: unknown): ApiException =>
  new ApiException({
    status: 503,
    code: 'database_unavailable',
    message: 'Limits cannot be checked right now, so nothing is let through. Retry shortly.',
    headers: { 'retry-after': '5' },
    cause,
  });
