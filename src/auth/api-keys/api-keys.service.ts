import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { EntityManager, Repository } from 'typeorm';
import { v7 as uuidV7 } from 'uuid';
import { ApiException } from '../../common/api.exception';
import { AuthSecrets } from '../auth-secrets';
import { ApiKeyAuthenticator } from './api-key-authenticator';
import { apiKeyHash, apiKeyHint, mintApiKey } from './api-key-token';
import { ApiKey } from './api-key.entity';
import type { CreateApiKey } from './dto/create-api-key.dto';
import type { ApiKeyResponse, CreatedApiKeyResponse } from './dto/api-key-response.dto';

const KEYS_PER_USER = 50;

export interface NewApiKey {
  readonly name: string;
  readonly expiresAt?: Date | null;
  /** Public model names the key may use; null or absent: all. */
  readonly models?: readonly string[] | null;
}

export interface RevokedKey {
  readonly id: string;
  readonly keyHash: Buffer;
}

@Injectable()
export class ApiKeysService {
  constructor(
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly authenticator: ApiKeyAuthenticator,
    private readonly secrets: AuthSecrets,
  ) {}

  /** Makes a key, in `manager`'s transaction or in its own; the answer is the only time it is shown. */
  mint(userId: string, newKey: NewApiKey, manager?: EntityManager): Promise<CreatedApiKeyResponse> {
    return manager
      ? this.insert(userId, newKey, manager)
      : this.keys.manager.transaction((own) => this.insert(userId, newKey, own));
  }

  create(userId: string, { name, expires_at, models }: CreateApiKey): Promise<CreatedApiKeyResponse> {
    return this.mint(userId, { name, models, expiresAt: expires_at ? new Date(expires_at) : null });
  }

  async list(userId: string): Promise<ApiKeyResponse[]> {
    const keys = await this.keys
      .createQueryBuilder('k')
      .where('k.userId = :userId AND k.revokedAt IS NULL', { userId })
      .orderBy('k.id', 'DESC')
      .getMany();
    return keys.map(shown);
  }

  /** @throws NotFoundException for a key that is not the user's own, or is revoked already. */
  async revoke(userId: string, keyId: string): Promise<void> {
    const revoked = await this.markRevoked({ userId, keyId }, this.keys.manager);
    if (revoked.length === 0) throw apiKeyNotFound();
    this.forget(revoked);
  }

  /** Revokes one key of a user, or all, in `manager`'s transaction; after its end they are to be forgotten. */
  async markRevoked(
    { userId, keyId }: { userId: string; keyId?: string },
    manager: EntityManager,
  ): Promise<RevokedKey[]> {
    const [revoked]: [{ id: string; key_hash: Buffer }[], number] = await manager.query(
      `UPDATE api_keys SET revoked_at = now()
       WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND revoked_at IS NULL RETURNING id, key_hash`,
      [userId, keyId ?? null],
    );
    return revoked.map(({ id, key_hash: keyHash }) => ({ id, keyHash }));
  }

  /** What this replica believes of revoked keys ends at once; the others ask again within 5 seconds. */
  forget(revoked: readonly RevokedKey[]): void {
    for (const { keyHash } of revoked) this.authenticator.forget(keyHash);
  }

  private async insert(
    userId: string,
    newKey: NewApiKey,
    manager: EntityManager,
  ): Promise<CreatedApiKeyResponse> {
    // Two at once must not both become the fiftieth.
    await manager.query('SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
    const live = await manager
      .createQueryBuilder(ApiKey, 'k')
      .where('k.userId = :userId AND k.revokedAt IS NULL', { userId })
      .andWhere('(k.expiresAt IS NULL OR k.expiresAt > now())')
      .getCount();
    if (live >= KEYS_PER_USER) throw tooManyKeys();
    const key = mintApiKey();
    const id = uuidV7();
    await manager.insert(ApiKey, {
      id,
      userId,
      name: newKey.name,
      keyHash: apiKeyHash(this.secrets.apiKeyPepper, key),
      ...apiKeyHint(key),
      models: newKey.models ? [...newKey.models] : null,
      expiresAt: newKey.expiresAt ?? null,
    });
    return { ...shown(await manager.findOneByOrFail(ApiKey, { id })), key };
  }
}

function shown(key: ApiKey): ApiKeyResponse {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    last_four: key.lastFour,
    models: key.models,
    expires_at: key.expiresAt?.toISOString() ?? null,
    created_at: key.createdAt.toISOString(),
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
  };
}

export function apiKeyNotFound(): NotFoundException {
  return new NotFoundException('There is no such API key.');
}

function tooManyKeys(): ApiException {
  return new ApiException({
    status: 409,
    code: 'too_many_api_keys',
    message: `An account can have ${KEYS_PER_USER} API keys; delete one that is no longer used.`,
  });
}
