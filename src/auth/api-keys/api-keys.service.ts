import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { EntityManager, Repository } from 'typeorm';
import { v7 as uuidV7 } from 'uuid';
import { ApiException } from '../../common/api.exception';
import { Actor, AuditLog } from '../audit-log';
import { AuthSecrets } from '../auth-secrets';
import { sessionTokenInvalid } from '../authentication.failures';
import { ApiKeyAuthenticator } from './api-key-authenticator';
import { accessOf, changed } from './api-key-changes';
import { apiKeyHash, apiKeyHint, mintApiKey } from './api-key-token';
import { shownKey } from './api-key-view';
import { ApiKey } from './api-key.entity';
import type { ChangeApiKey } from './dto/change-api-key.dto';
import type { CreateApiKey } from './dto/create-api-key.dto';
import type { ApiKeyResponse, CreatedApiKeyResponse } from './dto/api-key-response.dto';
import type { KeyLimit } from './dto/key-limit.dto';
import { insertFirstKeyLimits, limitsOfKeys } from './key-limits';
import { apiKeyNotFound, holdOwnKey, OwnKey } from './own-key';

const KEYS_PER_USER = 50;
/** With those that have expired, which stay until their owner deletes them or gives them another expiry. */
const UNREVOKED_KEYS_PER_USER = 200;

export interface NewApiKey {
  readonly name: string;
  readonly expiresAt?: Date | null;
  /** Public model names the key may use; null or absent: all. */
  readonly models?: readonly string[] | null;
  readonly limits?: readonly KeyLimit[] | null;
}

/** A key whose secrets, both of them, this replica is to forget. */
export interface ForgottenKey {
  readonly id: string;
  readonly keyHash: Buffer;
  readonly previousKeyHash: Buffer | null;
}

@Injectable()
export class ApiKeysService {
  constructor(
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly authenticator: ApiKeyAuthenticator,
    private readonly secrets: AuthSecrets,
    private readonly auditLog: AuditLog,
  ) {}

  /** Makes a key in `manager`'s transaction; the answer is the only time it is shown. */
  async mint(userId: string, newKey: NewApiKey, manager: EntityManager): Promise<CreatedApiKeyResponse> {
    await holdUser(userId, manager);
    await this.requireRoom(userId, manager);
    await this.requireRoomForExpired(userId, manager);
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
    await insertFirstKeyLimits(id, newKey.limits ?? [], manager);
    return { ...(await this.show(await manager.findOneByOrFail(ApiKey, { id }), manager)), key };
  }

  create(actor: Actor, userId: string, { expires_at, ...dto }: CreateApiKey): Promise<CreatedApiKeyResponse> {
    return this.keys.manager.transaction(async (manager) => {
      const created = await this.mint(
        userId,
        { ...dto, expiresAt: expires_at ? new Date(expires_at) : null },
        manager,
      );
      const after = { models: created.models, expires_at: created.expires_at, limits: created.limits };
      await this.auditLog.record(
        { ...actor, action: 'key.created', subject: 'key', subjectId: created.id, after },
        manager,
      );
      return created;
    });
  }

  async list(userId: string): Promise<ApiKeyResponse[]> {
    const keys = await this.keys
      .createQueryBuilder('k')
      .where('k.userId = :userId AND k.revokedAt IS NULL', { userId })
      .orderBy('k.id', 'DESC')
      .getMany();
    const limits = await limitsOfKeys(
      keys.map(({ id }) => id),
      this.keys.manager,
    );
    return keys.map((key) => shownKey(key, limits.get(key.id) ?? []));
  }

  /** @throws NotFoundException for a key that is not the user's own, or is revoked. */
  async get({ userId, keyId }: OwnKey): Promise<ApiKeyResponse> {
    const key = await this.keys
      .createQueryBuilder('k')
      .where('k.id = :keyId AND k.userId = :userId AND k.revokedAt IS NULL', { keyId, userId })
      .getOne();
    if (!key) throw apiKeyNotFound();
    return this.show(key, this.keys.manager);
  }

  /** @throws ApiException 409 when an expired key would come back beside 50 others. */
  async change(actor: Actor, own: OwnKey, change: ChangeApiKey): Promise<ApiKeyResponse> {
    const held = await this.keys.manager.transaction(async (manager) => {
      await holdUser(own.userId, manager);
      const key = await holdOwnKey(own, manager);
      const after = changed(key, change);
      if (Object.keys(after).length === 0) return null;
      if (after.expiresAt !== undefined) await this.requireRoom(own.userId, manager, own.keyId);
      await manager.update(ApiKey, { id: key.id }, after);
      await this.auditLog.record(
        { ...actor, action: 'key.changed', subject: 'key', subjectId: key.id, ...accessOf(key, after) },
        manager,
      );
      return key;
    });
    if (held) this.forget([held]);
    return this.get(own);
  }

  /** @throws NotFoundException for a key that is not the user's own, or is revoked already. */
  async revoke(actor: Actor, own: OwnKey): Promise<void> {
    const revoked = await this.keys.manager.transaction(async (manager) => {
      const keys = await this.markRevoked(actor, own, manager);
      if (keys.length === 0) throw apiKeyNotFound();
      return keys;
    });
    this.forget(revoked);
  }

  /**
   * Revokes one key of a user, or all, and takes their limits away, with a row for each in the audit log, in `manager`'s
   * transaction; after its end they are to be forgotten.
   */
  async markRevoked(
    actor: Actor,
    { userId, keyId }: { userId: string; keyId?: string },
    manager: EntityManager,
  ): Promise<ForgottenKey[]> {
    const [revoked]: [{ id: string; key_hash: Buffer; previous_key_hash: Buffer | null }[], number] =
      await manager.query(
        `UPDATE api_keys SET revoked_at = now()
         WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND revoked_at IS NULL
         RETURNING id, key_hash, previous_key_hash`,
        [userId, keyId ?? null],
      );
    const ids = revoked.map(({ id }) => id);
    await manager.query(`DELETE FROM limits WHERE subject = 'key' AND subject_id = ANY ($1)`, [ids]);
    await this.auditLog.recordEach({ ...actor, action: 'key.revoked', subject: 'key' }, ids, manager);
    return revoked.map((row) => ({
      id: row.id,
      keyHash: row.key_hash,
      previousKeyHash: row.previous_key_hash,
    }));
  }

  /** What this replica believes of changed keys ends at once; the others ask again within 5 seconds. */
  forget(changedKeys: readonly ForgottenKey[]): void {
    for (const { keyHash, previousKeyHash } of changedKeys) {
      this.authenticator.forget(keyHash);
      if (previousKeyHash) this.authenticator.forget(previousKeyHash);
    }
  }

  async show(key: ApiKey, manager: EntityManager): Promise<ApiKeyResponse> {
    const limits = await limitsOfKeys([key.id], manager);
    return shownKey(key, limits.get(key.id) ?? []);
  }

  /** @param beside a key that is there already */
  private async requireRoom(userId: string, manager: EntityManager, beside?: string): Promise<void> {
    const live = await manager
      .createQueryBuilder(ApiKey, 'k')
      .where('k.userId = :userId AND k.revokedAt IS NULL', { userId })
      .andWhere('(k.expiresAt IS NULL OR k.expiresAt > now())')
      .andWhere('k.id IS DISTINCT FROM :beside', { beside: beside ?? null })
      .getCount();
    if (live >= KEYS_PER_USER) {
      throw tooManyKeys(`An account can have ${KEYS_PER_USER} API keys; delete one that is no longer used.`);
    }
  }

  private async requireRoomForExpired(userId: string, manager: EntityManager): Promise<void> {
    const unrevoked = await manager
      .createQueryBuilder(ApiKey, 'k')
      .where('k.userId = :userId AND k.revokedAt IS NULL', { userId })
      .getCount();
    if (unrevoked >= UNREVOKED_KEYS_PER_USER) {
      throw tooManyKeys(
        `An account can have ${UNREVOKED_KEYS_PER_USER} API keys with those that have expired; delete expired ones.`,
      );
    }
  }
}

/**
 * Until the end of the transaction: two at once must not both become the fiftieth.
 * @throws ApiException 401 when the account has been deleted since its owner asked
 */
async function holdUser(userId: string, manager: EntityManager): Promise<void> {
  const users: unknown[] = await manager.query(
    'SELECT id FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE',
    [userId],
  );
  if (users.length === 0) throw sessionTokenInvalid();
}

function tooManyKeys(message: string): ApiException {
  return new ApiException({ status: 409, code: 'too_many_api_keys', message });
}
