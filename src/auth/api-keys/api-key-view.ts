import type { ApiKey } from './api-key.entity';
import type { ApiKeyResponse, PreviousSecret } from './dto/api-key-response.dto';
import type { KeyLimitResponse } from './dto/key-limit.dto';

/** A key as its owner and administrators see it: never the key itself. */
export function shownKey(key: ApiKey, limits: KeyLimitResponse[]): ApiKeyResponse {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    last_four: key.lastFour,
    models: key.models,
    expires_at: key.expiresAt?.toISOString() ?? null,
    created_at: key.createdAt.toISOString(),
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    previous_secret: previousSecret(key),
    limits,
  };
}

function previousSecret(key: ApiKey): PreviousSecret | null {
  if (key.previousLastFour === null || key.previousValidUntil === null) return null;
  const end = Math.min(key.previousValidUntil.getTime(), key.expiresAt?.getTime() ?? Infinity);
  return end > Date.now()
    ? { last_four: key.previousLastFour, valid_until: new Date(end).toISOString() }
    : null;
}
