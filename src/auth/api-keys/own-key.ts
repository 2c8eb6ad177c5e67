import { NotFoundException } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ApiKey } from './api-key.entity';

/** A key, as far as it belongs to this user. */
export interface OwnKey {
  readonly userId: string;
  readonly keyId: string;
}

/**
 * The key, held until the end of `manager`'s transaction, so that what is written as "before" is what was there.
 * @throws NotFoundException for a key that is not the user's own, or is revoked.
 */
export async function holdOwnKey({ userId, keyId }: OwnKey, manager: EntityManager): Promise<ApiKey> {
  const key = await manager
    .createQueryBuilder(ApiKey, 'k')
    .where('k.id = :keyId AND k.userId = :userId AND k.revokedAt IS NULL', { keyId, userId })
    .setLock('for_no_key_update')
    .getOne();
  if (!key) throw apiKeyNotFound();
  return key;
}

export function apiKeyNotFound(): NotFoundException {
  return new NotFoundException('There is no such API key.');
}
