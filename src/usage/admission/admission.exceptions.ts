import { ApiException } from '../../common/api.exception';
import { scrub } from '../../observability/scrub';
import { secondsUntil } from './rate-limit-headers';

/** The limit that stood in the way. */
export interface BlockingLimit {
  readonly subject: 'everyone' | 'user' | 'key';
  readonly metric: 'tokens' | 'requests' | 'concurrent_requests';
  readonly period: 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';
  readonly setBy: 'default' | 'admin' | 'self';
  /** Public name of the one model it is on; null: on all together. */
  readonly model: string | null;
  readonly amount: number;
  readonly used: number;
  /** What a limit on tokens must have left for this request: its prompt and the shortest answer worth sending. */
  readonly needed: number;
  /** False for what has no answer of tokens, such as embeddings. */
  readonly generates: boolean;
  /** When there will be room again, as far as time alone brings it; null: never, or as soon as others have finished. */
  readonly roomAt: Date | null;
}

// opencode decides by text too: a final refusal must hold no digits (they may read as 429 or 500) and none of the
// words it takes for a passing fault. Numbers are in the headers and at GET /v1/usage.
const RESETS: Readonly<Record<Exclude<BlockingLimit['period'], 'total'>, string>> = {
  minute: 'at the start of the next minute',
  hour: 'at the start of the next hour',
  day: 'at the start of the next day',
  week: 'at the start of next week',
  month: 'at the start of next month',
};

const OWNERS: Readonly<Record<BlockingLimit['subject'], string>> = {
  user: 'your account',
  key: 'this API key',
  everyone: 'all users together',
};

const ONE_PERIOD: Readonly<Record<BlockingLimit['period'], string>> = {
  minute: 'a minute',
  hour: 'an hour',
  day: 'a day',
  week: 'a week',
  month: 'a month',
  total: 'all',
};

const PERIODS: Readonly<Record<BlockingLimit['period'], string>> = {
  minute: 'this minute',
  hour: 'this hour',
  day: 'today',
  week: 'this week',
  month: 'this month',
  total: 'in total',
};

/** In the name of a model opencode would read these as a fault that passes, and ask again. */
const SOUNDS_PASSING =
  /[45]\d\d|rate.?limit|too.?many|time.?out|timed|overload|unavailab|try.?again|exhaust|retry|temporar/i;

/** Whose the limit is, and for which model where it is on one. */
const whose = (limit: BlockingLimit): string => OWNERS[limit.subject] + forModel(limit);

function forModel({ model }: BlockingLimit): string {
  if (model === null) return '';
  return SOUNDS_PASSING.test(model) ? ' for this model' : ` for model \`${model}\``;
}

/** Fewer tokens than this are no answer, unless fewer were asked for. */
const LEAST_USEFUL_OUTPUT = 16;

/** The client's own earlier attempt: what it costs is billed once, and not again as long as it runs. */
export function requestInFlight(): ApiException {
  return new ApiException({
    status: 409,
    code: 'idempotency_key_in_use',
    message:
      'A request with this Idempotency-Key is still running. Wait for its answer, or send a new request with another key.',
    headers: { 'retry-after': '2' },
  });
}

/** What is used leaves no room, or nothing is allowed at all: final until the window ends or somebody raises the limit. */
export function quotaExceeded(
  limit: BlockingLimit,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): ApiException {
  return new ApiException({
    status,
    code: 'insufficient_quota',
    type: 'insufficient_quota',
    message: finalMessage(limit),
    headers: { ...headers, 'x-should-retry': 'false' },
  });
}

function finalMessage(limit: BlockingLimit): string {
  // No window brings anything.
  if (limit.amount === 0)
    return `The limit of ${whose(limit)} allows no ${ALLOWED[limit.metric]} at all. ${whoLifts(limit)}`;
  if (limit.metric !== 'tokens') return usedUp(limit);
  const left = limit.amount - limit.used;
  // Of a short window only this is ever final. Where nothing is used yet, what is missing will not come with the next one.
  if (isShort(limit) || limit.used === 0) return neverFits(limit);
  // Such a rest is good for no answer; what the prompt needs has not been counted exactly then.
  if (left < LEAST_USEFUL_OUTPUT) return usedUp(limit);
  return limit.needed > limit.amount ? neverFits(limit) : tooLittleLeft(limit);
}

const ALLOWED: Readonly<Record<BlockingLimit['metric'], string>> = {
  tokens: 'tokens',
  requests: 'requests',
  concurrent_requests: 'requests',
};

/** A window that opens again soon: worth waiting for. */
export const isShort = ({ period }: BlockingLimit): boolean => period === 'minute' || period === 'hour';

function usedUp(limit: BlockingLimit): string {
  const { metric, period } = limit;
  const what = metric === 'tokens' ? 'token' : 'request';
  return `The ${what} quota of ${whose(limit)} is used up ${PERIODS[period]}. ${whatHelps(limit)}`;
}

/** A shorter prompt would still find room, and this one will in the next window. */
function tooLittleLeft(limit: BlockingLimit): string {
  return (
    `${whatNeeds(limit)} more tokens than are left ${PERIODS[limit.period]} of the quota of ${whose(limit)}. ` +
    whatHelps(limit)
  );
}

function whatHelps(limit: BlockingLimit): string {
  const { period, setBy } = limit;
  const resets = period === 'total' ? 'It never resets by itself.' : `It resets ${RESETS[period]}.`;
  // Time helps in every other window; of a cap in those, an administrator need not be asked.
  return period === 'total' || setBy === 'self' ? `${resets} ${whoLifts(limit)}` : resets;
}

function whoLifts({ subject, setBy }: BlockingLimit): string {
  if (setBy !== 'self') return 'Only an administrator can raise it.';
  return subject === 'key'
    ? 'The owner of the key has set this limit and may lift it.'
    : 'It is a limit you set yourself and may lift.';
}

/** However long the client waits, no window will ever be enough. */
function neverFits(limit: BlockingLimit): string {
  return (
    `${whatNeeds(limit)} more tokens than ${OWNERS[limit.subject]} may use in ` +
    `${ONE_PERIOD[limit.period]}${forModel(limit)}. Waiting does not help: ` +
    `${limit.generates ? 'shorten the prompt' : 'send less at once'}, or have the limit raised. ${whoLifts(limit)}`
  );
}

const whatNeeds = ({ generates }: BlockingLimit): string =>
  generates ? 'This prompt and a short answer need' : 'What this request sends needs';

/** Room exists, but other requests under way hold it. */
export function quotaBusy(
  limit: BlockingLimit,
  headers: Readonly<Record<string, string>> = {},
): ApiException {
  return new ApiException({
    status: 429,
    code: 'quota_reserved',
    message: `Other requests under way hold the rest of the token quota of ${whose(limit)}. Retry shortly.`,
    headers: { ...headers, 'retry-after': '2' },
  });
}

export function rateLimited(
  limit: BlockingLimit,
  now: Date,
  headers: Readonly<Record<string, string>> = {},
): ApiException {
  const seconds = limit.roomAt === null ? 1 : secondsUntil(limit.roomAt, now);
  return new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message: `Too many ${TOO_MANY[limit.metric](limit)} for ${OWNERS[limit.subject]}. Retry after ${seconds} s.`,
    headers: { ...headers, 'retry-after': String(seconds) },
  });
}

const TOO_MANY: Readonly<Record<BlockingLimit['metric'], (limit: BlockingLimit) => string>> = {
  tokens: (limit) => `tokens${forModel(limit)} ${PERIODS[limit.period]}`,
  requests: (limit) => `requests${forModel(limit)} ${PERIODS[limit.period]}`,
  concurrent_requests: (limit) => `requests${forModel(limit)} at once`,
};

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

/** @param model as the client wrote it, which may have been a key in the wrong place */
export const modelForbidden = (model: string): ApiException =>
  new ApiException({
    status: 404,
    code: 'model_not_found',
    param: 'model',
    message: `The model \`${scrub(model)}\` does not exist or this key may not use it. GET /v1/models lists what it may use.`,
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
