import {
  keyNoLongerValid,
  modelForbidden,
  quotaBusy,
  quotaExceeded,
  rateLimited,
  requestInFlight,
  userInactive,
} from './admission.exceptions';
import { rateLimitHeaders } from './rate-limit-headers';
import type { Verdict } from './verdict';

/**
 * What a refusal by admission says to the client.
 * @param quotaStatus of a quota that is used up
 */
export function refusalOf(
  verdict: Exclude<Verdict, { kind: 'admitted' }>,
  model: string,
  quotaStatus: number,
): Error {
  const now = new Date();
  switch (verdict.kind) {
    case 'exhausted':
      return quotaExceeded(verdict.limit, quotaStatus, rateLimitHeaders(verdict.rates, now));
    case 'busy':
      return verdict.limit.metric === 'concurrent_requests'
        ? rateLimited(verdict.limit, now, rateLimitHeaders(verdict.rates, now))
        : quotaBusy(verdict.limit, rateLimitHeaders(verdict.rates, now));
    case 'rate_limited':
      return rateLimited(verdict.limit, now, rateLimitHeaders(verdict.rates, now));
    case 'user_inactive':
      return userInactive();
    case 'key_invalid':
      return keyNoLongerValid();
    case 'in_flight':
      return requestInFlight();
    case 'model_forbidden':
      return modelForbidden(model);
  }
}
