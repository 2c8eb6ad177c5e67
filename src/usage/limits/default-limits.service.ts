import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuditEntry, AuditLog } from '../../auth/audit-log';
import { Env } from '../../config/env';
import { DefaultInForce, defaultsInForce, Period, storeDefault } from '../../users/default-limits';
import { refuseFormerAdmin, requireHeldAdmin, withActor } from '../../users/former-admin';
import { holdAccounts } from '../../users/hold-accounts';
import {
  DefaultsBefore,
  deleteDefaults,
  heldWithDefault,
  lockDefaults,
  putDefaults,
  usersWithDefaultAfter,
} from './default-limit-store';
import type { DefaultLimit, DefaultLimitChanged, DefaultLimitList } from './dto/limit.dto';
import { EVERYONE } from './limit-store';
import type { Asker } from './token-limits.service';
import { UserCounters } from './user-counters.service';

/** Users whose limits are changed in one transaction: admission never waits for more. */
const AT_ONCE = 500;

type DefaultCounter = Pick<DefaultInForce, 'metric' | 'period'>;

interface Change extends DefaultCounter {
  /** null: taken away. */
  readonly amount: number | null;
}

/** What users have who were given nothing else: by the configuration, or since an administrator said so. */
@Injectable()
export class DefaultLimits {
  constructor(
    private readonly dataSource: DataSource,
    private readonly counters: UserCounters,
    private readonly auditLog: AuditLog,
    private readonly env: Env,
  ) {}

  /**
   * Sets or takes away one default of new users, and of every user for whom no admin has decided anything there. What was
   * done when it fails half-way stays done, and is in the audit log; the same request again does the rest.
   * @throws ApiException 403 when the role of the asker is gone, also half-way
   */
  async change(asker: Asker, { metric, window, amount }: DefaultLimit): Promise<DefaultLimitChanged> {
    const period: Period = metric === 'concurrent_requests' ? 'total' : (window ?? 'total');
    const change: Change = { metric, period, amount };
    await this.keep(asker, change);
    let users = 0;
    for (let after = EVERYONE; ;) {
      const ids = await usersWithDefaultAfter(this.dataSource, after, { metric, period, most: AT_ONCE });
      const last = ids.at(-1);
      if (last === undefined) return { users };
      users += await this.changeOf(ids, change, asker);
      after = last;
    }
  }

  /** What new users get, and who has set it. */
  async list(): Promise<DefaultLimitList> {
    const defaults = await defaultsInForce(this.dataSource.manager, this.env);
    return {
      data: defaults.map(({ metric, period, amount, setBy }) => ({
        metric,
        window: windowOf({ metric, period }),
        amount,
        set_by: setBy,
      })),
    };
  }

  /** First of all, for those who come while the others are given it: they have ids behind all of these, or get it by this. */
  private keep(asker: Asker, change: Change): Promise<void> {
    return this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin({ actorId: asker.principal.userId }, manager);
      const before = await storeDefault(manager, change, this.env);
      if (before?.setBy === 'admin' && before.amount === change.amount) return;
      await this.auditLog.record(keptEntry(asker, change, before?.amount ?? null), manager);
    });
  }

  /** @returns how many of them it concerned */
  private async changeOf(candidates: readonly string[], change: Change, asker: Asker): Promise<number> {
    const { amount } = change;
    if (amount !== null) await this.counters.ensure(candidates, change);
    return this.dataSource.transaction(async (manager) => {
      const actor = { actorId: asker.principal.userId };
      // Whoever changes limits of these users waits for the end of the transaction, as with lockUser.
      const held = await holdAccounts(manager, withActor(candidates, actor));
      requireHeldAdmin(held, actor);
      const present = new Set(held.map(({ id }) => id));
      // A statement of its own: what was committed while the one before waited counts.
      const ids = await heldWithDefault(
        manager,
        candidates.filter((id) => present.has(id)),
        change,
      );
      const found = await lockDefaults(manager, ids, change);
      // Who has none has none to lose.
      const before = amount === null ? found.filter((row) => row.amount !== null) : found;
      const users = before.reduce((sum, row) => sum + row.users, 0);
      if (users === 0) return 0;
      if (amount === null) await deleteDefaults(manager, ids, change);
      else await putDefaults(manager, ids, { ...change, amount });
      await this.auditLog.record(entry(asker, change, { ids, before, users }), manager);
      return users;
    });
  }
}

const windowOf = ({ metric, period }: DefaultCounter): Period | null =>
  metric === 'concurrent_requests' ? null : period;

/** @param before what new users got there until now */
function keptEntry(
  { principal, client }: Asker,
  { metric, period, amount }: Change,
  before: number | null,
): AuditEntry {
  const window = windowOf({ metric, period });
  return {
    actorId: principal.userId,
    action: 'limit.put_default',
    subject: 'everyone',
    subjectId: EVERYONE,
    before: { metric, window, amount: before },
    after: { metric, window, amount },
    address: client.address,
    requestId: client.requestId,
  };
}

/** Which users is told by the range of their ids: a list of all of them would outgrow the log. */
function entry(
  { principal, client }: Asker,
  { metric, period, amount }: Change,
  { ids, before, users }: { ids: readonly string[]; before: readonly DefaultsBefore[]; users: number },
): AuditEntry {
  const window = windowOf({ metric, period });
  const range = { first_user: ids[0], last_user: ids.at(-1) };
  return {
    actorId: principal.userId,
    action: 'limit.change_default',
    subject: 'everyone',
    subjectId: EVERYONE,
    before: { metric, window, defaults: before },
    after: { metric, window, defaults: [{ amount, users }], ...range },
    address: client.address,
    requestId: client.requestId,
  };
}
