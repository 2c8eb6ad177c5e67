import { Injectable } from '@nestjs/common';
import type { Principal, Role } from '../../common/principal';
import { orUnavailable } from '../../database/database-unavailable';
import { HotStatements } from '../../database/hot-statements';
import { AuthSecrets } from '../auth-secrets';
import { ApiKeyCache } from './api-key-cache';
import { ApiKeyHashes } from './api-key-hashes';
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
  private readonly hashes: ApiKeyHashes;
  private readonly lookups = new Map<string, Promise<Principal | null>>();

  constructor(
    private readonly statements: HotStatements,
    secrets: AuthSecrets,
    private readonly use: ApiKeyUse,
  ) {
    this.hashes = new ApiKeyHashes(secrets.apiKeyPepper);
  }

  /** Null for a key that is not (or no longer) valid. Synchronous whenever the database need not be asked. */
  authenticate(key: string): Principal | null | Promise<Principal | null> {
    const hash = this.hashes.of(key);
    if (hash === null) return null;
    const cached = this.cache.get(hash);
    if (cached === undefined) return this.lookUpOnce(hash);
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
  private lookUpOnce(hash: string): Promise<Principal | null> {
    const underWay = this.lookups.get(hash);
    if (underWay) return underWay;
    const lookup = orUnavailable(this.lookUp(hash)).finally(() => {
      if (this.lookups.get(hash) === lookup) this.lookups.delete(hash);
    });
    this.lookups.set(hash, lookup);
    return lookup;
  }

  private async lookUp(hash: string): Promise<Principal | null> {
    const askedAt = performance.now();
    const rows = await this.statements.run<KeyRow>('find_api_key', LOOK_UP, [Buffer.from(hash, 'hex')]);
    const row = rows[0];
    if (!row) {
      this.cache.remember(hash, null, askedAt);
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
    this.cache.remember(hash, { principal, expiresAt: askedAt + (row.ends_in_ms ?? Infinity) }, askedAt);
    this.use.note(row.id);
    return principal;
  }
}
