import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { ApiException } from '../../common/api.exception';
import { Actor, AuditEntry, AuditLog } from '../audit-log';
import { AuthSecrets } from '../auth-secrets';
import { apiKeyHash, apiKeyHint, mintApiKey } from './api-key-token';
import { ApiKey } from './api-key.entity';
import { ApiKeysService } from './api-keys.service';
import type { CreatedApiKeyResponse } from './dto/api-key-response.dto';
import { DEFAULT_OVERLAP_SECONDS, RotateApiKey } from './dto/rotate-api-key.dto';
import { holdOwnKey, OwnKey } from './own-key';

/** A key has one secret and, for the overlap after a rotation, the one before: never a third. */
@Injectable()
export class ApiKeyRotation {
  constructor(
    private readonly apiKeys: ApiKeysService,
    private readonly secrets: AuthSecrets,
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
  ) {}

  /** @throws ApiException 404 for a key that is not the user's own or is revoked, 409 for an expired one. */
  async rotate(actor: Actor, own: OwnKey, dto: RotateApiKey): Promise<CreatedApiKeyResponse> {
    const overlap = dto.overlap_seconds ?? DEFAULT_OVERLAP_SECONDS;
    const key = mintApiKey();
    const { before, rotated } = await this.dataSource.transaction(async (manager) => {
      const held = await holdOwnKey(own, manager);
      const validUntil = await this.replaceSecret({ keyId: held.id, key, overlap }, manager);
      await this.record(
        { ...actor, action: 'key.rotated', subjectId: held.id },
        { before: held.lastFour, after: apiKeyHint(key).lastFour, validUntil },
        manager,
      );
      const replaced = await manager.findOneByOrFail(ApiKey, { id: held.id });
      return { before: held, rotated: await this.apiKeys.show(replaced, manager) };
    });
    this.apiKeys.forget([before]);
    return { ...rotated, key };
  }

  /** The old secret of a rotation ends now; without one nothing happens. */
  async endOverlap(actor: Actor, own: OwnKey): Promise<void> {
    const before = await this.dataSource.transaction(async (manager) => {
      const held = await holdOwnKey(own, manager);
      if (held.previousKeyHash === null) return held;
      await manager.query(
        `UPDATE api_keys SET previous_key_hash = NULL, previous_last_four = NULL, previous_valid_until = NULL
         WHERE id = $1`,
        [held.id],
      );
      await this.record(
        { ...actor, action: 'key.overlap_ended', subjectId: held.id },
        { before: held.previousLastFour, after: held.lastFour, validUntil: null },
        manager,
      );
      return held;
    });
    this.apiKeys.forget([before]);
  }

  // Expiry and the end of the overlap are told by the database's clock, as they are when a key is looked up.
  private async replaceSecret(
    { keyId, key, overlap }: { keyId: string; key: string; overlap: number },
    manager: EntityManager,
  ): Promise<Date | null> {
    const { prefix, lastFour } = apiKeyHint(key);
    const [rows]: [{ previous_valid_until: Date | null }[], number] = await manager.query(
      `UPDATE api_keys SET key_hash = $2, prefix = $3, last_four = $4,
         previous_key_hash = CASE WHEN $5::integer > 0 THEN key_hash END,
         previous_last_four = CASE WHEN $5::integer > 0 THEN last_four END,
         previous_valid_until = CASE WHEN $5::integer > 0 THEN now() + $5::integer * interval '1 second' END
       WHERE id = $1 AND (expires_at IS NULL OR expires_at > now())
       RETURNING previous_valid_until`,
      [keyId, apiKeyHash(this.secrets.apiKeyPepper, key), prefix, lastFour, overlap],
    );
    if (!rows[0]) throw keyExpired();
    return rows[0].previous_valid_until;
  }

  private record(
    entry: Omit<AuditEntry, 'subject' | 'before' | 'after'>,
    { before, after, validUntil }: { before: string | null; after: string; validUntil: Date | null },
    manager: EntityManager,
  ): Promise<void> {
    return this.auditLog.record(
      {
        ...entry,
        subject: 'key',
        before: { last_four: before },
        after: { last_four: after, previous_valid_until: validUntil },
      },
      manager,
    );
  }
}

function keyExpired(): ApiException {
  return new ApiException({
    status: 409,
    code: 'api_key_expired',
    message: 'This API key has expired; give it a later expires_at first.',
  });
}
