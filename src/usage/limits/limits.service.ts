import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import type { AuditAction } from '../../auth/audit-actions';
import { AuditLog } from '../../auth/audit-log';
import { ApiException } from '../../common/api.exception';
import { refuseFormerAdmin, requireHeldAdmin, withActor } from '../../users/former-admin';
import { holdAccounts } from '../../users/hold-accounts';
import type { LimitView, PutLimit, TemporaryAmount } from './dto/limit.dto';
import { LimitCounters } from './limit-counters.service';
import {
  counterOf,
  deleteLimit,
  EVERYONE,
  LimitRow,
  lockLimit,
  putAdminLimit,
  setTemporaryAmount,
  subjectExists,
} from './limit-store';
import { RAISE_END, raiseEnd } from './raise-end';
import { toView } from './limit-view';
import type { Asker } from './token-limits.service';
import { isWithdrawnRow } from './withdrawn-default';

/** What administrators change of limits: any subject, metric and window. Whatever changes is in the audit log. */
@Injectable()
export class Limits {
  constructor(
    private readonly dataSource: DataSource,
    private readonly counters: LimitCounters,
    private readonly auditLog: AuditLog,
  ) {}

  /**
   * @throws ApiException 404 when there is no such user or key, 400 when everyone is given an id, 403 when the role of the
   * asker is gone
   */
  async put(asker: Asker, limit: PutLimit): Promise<LimitView> {
    const counter = counterOf(limit);
    if (limit.subject === 'everyone' && counter.subjectId !== EVERYONE) throw noIdForEveryone();
    await requireSubject(this.dataSource.manager, limit.subject, counter.subjectId);
    await this.counters.ensure(counter);
    return this.dataSource.transaction(async (manager) => {
      await holdAskerAnd(manager, asker, limit.subject === 'user' ? [counter.subjectId] : []);
      await requireSubject(manager, limit.subject, counter.subjectId);
      const { before, after } = await putAdminLimit(manager, counter, limit.amount);
      await this.record(asker, 'limit.put', before.map(toView), after, manager);
      return toView(after);
    });
  }

  /** @throws ApiException 404 when there is no such limit, 403 as in `put`, 400 when the end is not ahead */
  async raise(asker: Asker, id: string, { amount, until }: TemporaryAmount): Promise<LimitView> {
    const end = raiseEnd(until);
    // A moment may have passed since it was checked.
    if (end === null) throw noEndAhead();
    return this.change(asker, id, 'limit.raise', (manager) =>
      setTemporaryAmount(manager, id, { amount, until: end }),
    );
  }

  /** A default that was taken away meanwhile has no usual amount, and goes with its raise. */
  async endRaise(asker: Asker, id: string): Promise<LimitView> {
    return this.change(asker, id, 'limit.end_raise', async (manager, before) => {
      const row = await setTemporaryAmount(manager, id, null);
      if (isWithdrawnRow(before)) await deleteLimit(manager, id);
      return row;
    });
  }

  /** What has been counted stays counted: a new limit starts from there. */
  async remove(asker: Asker, id: string): Promise<void> {
    await this.change(asker, id, 'limit.delete', async (manager) => {
      await deleteLimit(manager, id);
      return null;
    });
  }

  private change<Row extends LimitRow | null>(
    asker: Asker,
    id: string,
    action: AuditAction,
    write: (manager: EntityManager, before: LimitRow) => Promise<Row>,
  ): Promise<Row extends null ? null : LimitView> {
    return this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin(actorOf(asker), manager);
      const before = await lockLimit(manager, id);
      if (!before) throw new NotFoundException('There is no such limit.');
      const after = await write(manager, before);
      const isGone = after === null || (await lockLimit(manager, id)) === undefined;
      await this.record(asker, action, [toView(before)], after ?? before, manager, isGone);
      return (after && toView(after)) as Row extends null ? null : LimitView;
    });
  }

  private record(
    { principal, client }: Asker,
    action: AuditAction,
    before: LimitView[],
    after: LimitRow,
    manager: EntityManager,
    removed = false,
  ): Promise<void> {
    return this.auditLog.record(
      {
        actorId: principal.userId,
        action,
        subject: after.subject,
        subjectId: after.subject_id,
        before: { limits: before },
        after: { limits: removed ? [] : [toView(after)] },
        address: client.address,
        requestId: client.requestId,
      },
      manager,
    );
  }
}

const actorOf = ({ principal }: Asker) => ({ actorId: principal.userId });

/** The asker with the users whose limits change, in one order with everybody else. @throws ApiException 403 */
async function holdAskerAnd(manager: EntityManager, asker: Asker, userIds: readonly string[]): Promise<void> {
  const actor = actorOf(asker);
  requireHeldAdmin(await holdAccounts(manager, withActor(userIds, actor)), actor);
}

async function requireSubject(
  manager: EntityManager,
  subject: LimitRow['subject'],
  id: string,
): Promise<void> {
  if (await subjectExists(manager, subject, id)) return;
  throw new NotFoundException(subject === 'user' ? 'There is no such user.' : 'There is no such API key.');
}

const noEndAhead = (): ApiException =>
  new ApiException({ status: 400, code: 'invalid_request', param: 'until', message: RAISE_END });

const noIdForEveryone = (): ApiException =>
  new ApiException({
    status: 400,
    code: 'invalid_request',
    param: 'subject_id',
    message: 'A limit on everyone has no subject_id; leave it out.',
  });
