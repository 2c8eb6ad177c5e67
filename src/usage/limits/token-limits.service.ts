import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { AuditLog } from '../../auth/audit-log';
import type { Client } from '../../auth/current-client.decorator';
import { ApiException } from '../../common/api.exception';
import type { Principal } from '../../common/principal';
import { endExemption, exemptFromDefault } from '../../users/default-exemptions';
import { requireHeldAdmin, withActor } from '../../users/former-admin';
import { holdAccounts } from '../../users/hold-accounts';
import type { SetOwnTokenLimit, SetTokenCap } from './dto/set-token-limit.dto';
import type { TokenLimit } from './dto/token-limit.dto';
import type { LimitPeriod } from './limit.entity';
import { CounterName, LimitCounters } from './limit-counters.service';
import { LimitWindows } from './limit-windows.service';
import {
  deleteTokenLimits,
  lockUser,
  readTokenLimits,
  TokenLimitPair,
  writeTokenLimit,
} from './token-limit-store';

/** Who asks, and from where: for the audit log. */
export interface Asker {
  readonly principal: Principal;
  readonly client: Client;
}

type ChangeOfTokenLimit = 'token_limit.set_own' | 'token_limit.set_cap';

/** Two numbers hold a user: the cap (default or admin) and the user's own limit. The smaller one counts. */
@Injectable()
export class TokenLimits {
  constructor(
    private readonly dataSource: DataSource,
    private readonly windows: LimitWindows,
    private readonly auditLog: AuditLog,
    private readonly counters: LimitCounters,
  ) {}

  /** @throws ApiException 422 above the cap: never a silent clamp. */
  async setOwn(asker: Asker, change: SetOwnTokenLimit): Promise<TokenLimit> {
    const userId = asker.principal.userId;
    const period = change.window ?? 'month';
    const amount = change.token_limit;
    if (amount !== null) await this.counters.ensure(counterOf(userId, period));
    return this.change(asker, { userId, period, action: 'token_limit.set_own' }, async (manager, { cap }) => {
      if (amount === null) return deleteTokenLimits(manager, { userId, period, setBy: ['self'] });
      if (cap !== null && amount > cap) throw exceedsCap(cap);
      return writeTokenLimit(manager, { userId, period, setBy: 'self', amount });
    });
  }

  /**
   * Replaces the default cap of that window too, so that null really means no cap, now and when the default changes.
   * @throws ApiException 403 when the role of the asker is gone
   */
  async setCap(asker: Asker, userId: string, change: SetTokenCap): Promise<TokenLimit> {
    const period = change.window ?? 'month';
    const amount = change.token_limit;
    await this.requireUser(userId);
    if (amount !== null) await this.counters.ensure(counterOf(userId, period));
    return this.change(asker, { userId, period, action: 'token_limit.set_cap' }, async (manager) => {
      const counter = { userId, metric: 'tokens', period };
      if (amount === null) {
        await exemptFromDefault(manager, counter);
        return deleteTokenLimits(manager, { userId, period, setBy: ['default', 'admin'] });
      }
      await endExemption(manager, counter);
      await deleteTokenLimits(manager, { userId, period, setBy: ['default'] });
      return writeTokenLimit(manager, { userId, period, setBy: 'admin', amount });
    });
  }

  private async requireUser(userId: string): Promise<void> {
    const rows: unknown[] = await this.dataSource.query(
      `SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL`,
      [userId],
    );
    if (rows.length === 0) throw new NotFoundException('There is no such user.');
  }

  private change(
    { principal, client }: Asker,
    { userId, period, action }: { userId: string; period: LimitPeriod; action: ChangeOfTokenLimit },
    write: (manager: EntityManager, before: TokenLimitPair) => Promise<void>,
  ): Promise<TokenLimit> {
    return this.dataSource.transaction(async (manager) => {
      if (action === 'token_limit.set_cap') {
        const actor = { actorId: principal.userId };
        requireHeldAdmin(await holdAccounts(manager, withActor([userId], actor)), actor);
      }
      if (!(await lockUser(manager, userId))) throw new NotFoundException('There is no such user.');
      const before = await readTokenLimits(manager, userId, period);
      await write(manager, before);
      const after = await readTokenLimits(manager, userId, period);
      await this.auditLog.record(
        {
          actorId: principal.userId,
          action,
          subject: 'user',
          subjectId: userId,
          before: { window: period, cap: before.cap, own_limit: before.own },
          after: { window: period, cap: after.cap, own_limit: after.own },
          address: client.address,
          requestId: client.requestId,
        },
        manager,
      );
      return this.describe(manager, { userId, period, limits: after });
    });
  }

  private async describe(
    manager: EntityManager,
    { userId, period, limits }: { userId: string; period: LimitPeriod; limits: TokenLimitPair },
  ): Promise<TokenLimit> {
    const windows = await this.windows.of('user', userId, manager);
    const state = windows.find(
      (window) => window.metric === 'tokens' && window.model === '' && window.window === period,
    );
    return {
      token_limit: state?.limit ?? null,
      own_limit: limits.own,
      cap: limits.cap,
      window: period,
      used: state?.used ?? 0,
      remaining: state?.remaining ?? null,
      resets_at: state?.resetsAt?.toISOString() ?? null,
    };
  }
}

const counterOf = (userId: string, period: LimitPeriod): CounterName => ({
  subject: 'user',
  subjectId: userId,
  metric: 'tokens',
  period,
  model: '',
});

function exceedsCap(cap: number): ApiException {
  return new ApiException({
    status: 422,
    code: 'limit_exceeds_cap',
    param: 'token_limit',
    message: `token_limit is above your cap of ${cap} tokens; choose a limit up to that, or ask an administrator.`,
  });
}
