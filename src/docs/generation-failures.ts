import type { DocumentedFailure } from '../common/api-problem.decorator';

/** What every generating route may answer, besides what its credential brings along. */
export const GENERATION_FAILURES: readonly DocumentedFailure[] = [
  { status: 400, code: 'invalid_json', message: 'The body must be a JSON object.' },
  {
    status: 400,
    code: 'invalid_value',
    message: 'A field is missing, wrong or refused; `param` names it. What vLLM refuses has its own words.',
  },
  { status: 400, code: 'body_incomplete', message: 'The body was cut off.' },
  {
    status: 400,
    code: 'invalid_idempotency_key',
    message: 'Idempotency-Key takes up to 255 printable ASCII characters without spaces.',
  },
  {
    status: 401,
    code: 'account_inactive',
    message: 'The account was disabled or deleted, perhaps while this request ran. Ask an administrator.',
  },
  {
    status: 402,
    code: 'insufficient_quota',
    message: 'The token quota of your account is used up this month. It resets at the start of next month.',
  },
  { status: 403, code: 'request_ended', message: 'An administrator has ended this request.' },
  {
    status: 404,
    code: 'model_not_found',
    message: 'The model does not exist or this key may not use it. GET /v1/models lists what it may use.',
  },
  { status: 404, code: 'unsupported_endpoint', message: 'The model server does not offer this endpoint.' },
  { status: 408, code: 'body_timeout', message: 'The request body did not arrive in time.' },
  {
    status: 409,
    code: 'idempotency_key_in_use',
    message: 'A request with this Idempotency-Key is still running.',
  },
  { status: 413, code: 'body_too_large', message: 'The body is larger than MAX_BODY_BYTES.' },
  {
    status: 415,
    code: 'unsupported_media_type',
    message: 'Send the request as JSON with the header `content-type: application/json`.',
  },
  {
    status: 429,
    code: 'quota_reserved',
    message: 'Other requests under way hold the rest of the token quota of your account. Retry shortly.',
  },
  { status: 429, code: 'rate_limit_exceeded', message: 'Too many requests this minute for your account.' },
  { status: 429, code: 'upstream_busy', message: 'The model server is busy.' },
  { status: 502, code: 'upstream_unreachable', message: 'The model server cannot be reached.' },
  { status: 502, code: 'upstream_error', message: 'The model server failed on this request.' },
  {
    status: 502,
    code: 'upstream_misconfigured',
    message: 'The model server does not accept the key of this gateway.',
  },
  { status: 502, code: 'answer_too_large', message: 'The answer was larger than what can be returned.' },
  { status: 503, code: 'upstream_busy', message: 'The model server is busy.' },
  { status: 503, code: 'upstream_unavailable', message: 'The model server does not answer at the moment.' },
  { status: 503, code: 'overloaded', message: 'The gateway has more to do than it can.' },
  { status: 504, code: 'upstream_timeout', message: 'The model server did not answer in time.' },
];
