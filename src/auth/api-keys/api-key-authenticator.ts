import { Injectable } from '@nestjs/common';
import type { Principal, Role } from '../../common/principal';
import { orUnavailable } from '../../database/database-unavailable';
import { HotStatements } from '../../database/hot-statements';
import { AuthSecrets } from '../auth-secrets';
import { ApiKeyCache } from './api-key-cache';
import { apiKeyHash, isApiKey } from './api-key-token';
import { ApiKeyUse } from './api-key-use';

interface KeyRow {
  readonly id: string;
  readonly user_id: string;
  readonly username: string;
  readonly role: Role;
  readonly models: string[] | null;
  /** Null: this secret does not end by itself. */
  readonly ends_in_ms: number | null;
}

// A key has one secret, and for the overlap of a rotation the one before as well. Each has an index of its own.
const LOOK_UP = `
  SELECT k.id, k.user_id, u.username, u.role, k.models,
    (extract(epoch FROM least(k.expires_at, CASE WHEN k.key_hash <> $1 THEN k.previous_valid_until END) - now())
      * 1000)::float8 AS ends_in_ms
  FROM api_keys k JOIN users u ON u.id = k.user_id
  WHERE (k.key_hash = $1 OR (k.previous_key_hash = $1 AND k.previous_valid_until > now()))
    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND u.status = 'active' AND u.deleted_at IS NULL`;

/** API key → principal: checksum, then cache, then one query. */
@Injectable()
export class ApiKeyAuthenticator {
  private readonly cache = new ApiKeyCache();
  private readonly lookups = new Map<string, Promise<Principal | null>>();

  constructor(
    private readonly statements: HotStatements,
    private readonly secrets: AuthSecrets,
    private readonly use: ApiKeyUse,
  ) {}

  /** Null for a key that is not (or no longer) valid. Synchronous whenever the database need not be asked. */
  authenticate(key: string): Principal | null | Promise<Principal | null> {
    if (!isApiKey(key)) return null;
    const hash = apiKeyHash(this.secrets.apiKeyPepper, key);
    const hex = hash.toString('hex');
    const cached = this.cache.get(hex);
    if (cached === undefined) return this.lookUpOnce(hash, hex);
    if (cached?.apiKeyId) this.use.note(cached.apiKeyId);
    return cached;
  }

  /** What was believed of a key on this replica no longer holds. */
  forget(hash: Buffer): void {
    const hex = hash.toString('hex');
    this.lookups.delete(hex);
    this.cache.forget(hex);
  }

  // A burst with one new key asks once.
  private lookUpOnce(hash: Buffer, hex: string): Promise<Principal | null> {
    const underWay = this.lookups.get(hex);
    if (underWay) return underWay;
    const lookup = orUnavailable(this.lookUp(hash, hex)).finally(() => {
      if (this.lookups.get(hex) === lookup) this.lookups.delete(hex);
    });
    this.lookups.set(hex, lookup);
    return lookup;
  }

  private async lookUp(hash: Buffer, hex: string): Promise<Principal | null> {
    const askedAt = performance.now();
    const rows = await this.statements.run<KeyRow>('find_api_key', LOOK_UP, [hash]);
    const row = rows[0];
    if (!row) {
      this.cache.remember(hex, null, askedAt);
      return null;
    }
    const principal: Principal = {
      userId: row.user_id,
      username: row.username,
      role: row.role,
      via: 'api_key',
      apiKeyId: row.id,
      models: row.models,
    };
    this.cache.remember(hex, { principal, expiresAt: askedAt + (row.ends_in_ms ?? Infinity) }, askedAt);
    this.use.note(row.id);
    return principal;
  }
}
