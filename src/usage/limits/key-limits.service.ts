import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import type { KeyLimit, KeyLimitResponse } from '../../auth/api-keys/dto/key-limit.dto';
import { limitsOfKeys } from '../../auth/api-keys/key-limits';
import { ApiKeysService } from '../../auth/api-keys/api-keys.service';
import { holdOwnKey, OwnKey } from '../../auth/api-keys/own-key';
import type { AuditAction } from '../../auth/audit-actions';
import { Actor, AuditLog } from '../../auth/audit-log';
import { ApiException } from '../../common/api.exception';
import { deleteOwnLimit, lockOwnLimit, mayCount, OwnKeyLimit, putOwnLimit } from './key-limit-store';
import { CounterName, LimitCounters } from './limit-counters.service';

/** Each admission with the key locks all its counters, and those of limits that were removed go on counting. */
const MOST_COUNTERS = 32;

/** Limits that owners set on their own keys, beside those of administrators; never instead of them. */
@Injectable()
export class KeyLimits {
  constructor(
    private readonly dataSource: DataSource,
    private readonly apiKeys: ApiKeysService,
    private readonly counters: LimitCounters,
    private readonly auditLog: AuditLog,
  ) {}

  async list(own: OwnKey): Promise<KeyLimitResponse[]> {
    return (await this.apiKeys.get(own)).limits;
  }

  /** @throws ApiException 404 for a key that is not one's own, 409 when it has too many counters */
  async put(actor: Actor, own: OwnKey, { amount, ...limit }: KeyLimit): Promise<KeyLimitResponse> {
    const counter = counterOf(own.keyId, limit);
    await this.apiKeys.get(own);
    // Making a counter holds up everybody's admissions for a moment: not for one that will not be made.
    if (!(await mayCount(counter, MOST_COUNTERS, this.dataSource.manager))) throw tooManyLimits();
    await this.counters.ensure(counter, MOST_COUNTERS);
    return this.dataSource.transaction(async (manager) => {
      await holdOwnKey(own, manager);
      if (!(await mayCount(counter, MOST_COUNTERS, manager))) throw tooManyLimits();
      const before = await lockOwnLimit(counter, manager);
      const after = await putOwnLimit(counter, amount, manager);
      await this.record({ ...actor, action: 'key.limit_set', keyId: own.keyId }, { before, after }, manager);
      return this.show(own.keyId, after.id, manager);
    });
  }

  /** What was counted stays counted. @throws NotFoundException for a limit that the owner has not set */
  async remove(actor: Actor, own: OwnKey, limitId: string): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await holdOwnKey(own, manager);
      const before = await deleteOwnLimit(own.keyId, limitId, manager);
      if (!before) throw new NotFoundException('You have set no such limit on this API key.');
      await this.record(
        { ...actor, action: 'key.limit_removed', keyId: own.keyId },
        { before, after: null },
        manager,
      );
    });
  }

  private async show(keyId: string, limitId: string, manager: EntityManager): Promise<KeyLimitResponse> {
    const limits = (await limitsOfKeys([keyId], manager)).get(keyId) ?? [];
    return limits.find(({ id }) => id === limitId) as KeyLimitResponse;
  }

  private record(
    { keyId, ...entry }: Actor & { action: AuditAction; keyId: string },
    { before, after }: { before: OwnKeyLimit | null; after: OwnKeyLimit | null },
    manager: EntityManager,
  ): Promise<void> {
    return this.auditLog.record(
      { ...entry, subject: 'key', subjectId: keyId, before: { limit: before }, after: { limit: after } },
      manager,
    );
  }
}

function counterOf(keyId: string, { metric, window, model }: Omit<KeyLimit, 'amount'>): CounterName {
  return {
    subject: 'key',
    subjectId: keyId,
    metric,
    period: metric === 'concurrent_requests' ? 'total' : (window ?? 'total'),
    model: model ?? '',
  };
}

function tooManyLimits(): ApiException {
  return new ApiException({
    status: 409,
    code: 'too_many_limits',
    message: 'This API key has limits on too many windows and models; change one of those it has had.',
  });
}
