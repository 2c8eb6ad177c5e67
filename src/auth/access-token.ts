import type { Jwt } from 'jsonwebtoken';
import { validate as isUuid } from 'uuid';

export const ACCESS_TOKEN_ALGORITHM = 'HS256';
export const ACCESS_TOKEN_ISSUER = 'llm-user-management-api';
export const ACCESS_TOKEN_AUDIENCE = 'management';
/** RFC 9068: tells an access token from any other JWT made with the same key. */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** Replicas' clocks may differ by this much, in seconds. */
const LEEWAY_SECONDS = 5;

export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
}

/** What a JWT says whose signature, algorithm, issuer, audience and expiry hold; null when it is no access token. */
export function accessClaims({ header, payload }: Jwt, nowSeconds = Date.now() / 1_000): AccessClaims | null {
  // The header is whatever its maker wrote: the type of `typ` is not a promise.
  const typ: unknown = header.typ;
  if (typeof payload === 'string' || typeof typ !== 'string' || typ.toLowerCase() !== ACCESS_TOKEN_TYPE) {
    return null;
  }
  const { sub, exp, iat } = payload;
  const sid: unknown = payload['sid'];
  if (typeof exp !== 'number' || typeof iat !== 'number' || iat > nowSeconds + LEEWAY_SECONDS) return null;
  if (!isUuid(sub) || !isUuid(sid) || typeof sub !== 'string' || typeof sid !== 'string') return null;
  return { userId: sub, sessionId: sid };
}
