import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { ApiException } from '../../common/api.exception';
import type { Role } from '../../common/principal';
import type { GivenLimit } from '../../users/first-limits';
import { Actor, AuditLog } from '../audit-log';
import { oneTimeTokenHash } from '../one-time-token';

/** What an account that comes with an invitation gets; nothing else decides over its role. */
export interface Invitation {
  readonly id: string;
  readonly role: Role;
  readonly limits: readonly GivenLimit[];
}

/** While this is true of an invitation, one account can still be made with it. */
const IS_OPEN = 'used_at IS NULL AND revoked_at IS NULL AND expires_at > now()';

/** Invitations as they are used, and as they end with those who made or used them. */
@Injectable()
export class Invitations {
  constructor(
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
  ) {}

  /** @throws ApiException 403, the same for whatever is wrong with it */
  async find(token: string): Promise<Invitation> {
    const found = await this.lookUp(token);
    if (!found) throw invitationRequired();
    return found;
  }

  /** The same, with null instead of an exception. */
  async lookUp(token: string): Promise<Invitation | null> {
    const rows: Invitation[] = await this.dataSource.query(
      `SELECT id, role, limits FROM invitations WHERE token_hash = $1 AND ${IS_OPEN}`,
      [oneTimeTokenHash(token)],
    );
    return rows[0] ?? null;
  }

  /**
   * Uses it up for a user who has just been made in `manager`'s transaction.
   * @throws ApiException 403 when it has been used, revoked or has expired since it was found
   */
  async use(
    invitation: Invitation,
    user: Actor & { actorId: string },
    manager: EntityManager,
  ): Promise<void> {
    // Of those who use it at once, one changes it.
    const [, used]: [unknown, number] = await manager.query(
      `UPDATE invitations SET used_at = now(), used_by = $2 WHERE id = $1 AND ${IS_OPEN}`,
      [invitation.id, user.actorId],
    );
    if (used !== 1) throw invitationRequired();
    await this.auditLog.record(
      {
        ...user,
        action: 'invitation.used',
        subject: 'invitation',
        subjectId: invitation.id,
        after: { user_id: user.actorId },
      },
      manager,
    );
  }

  /** For an administrator who stops being one: what he or she handed out lets nobody in any more. */
  async revokeAllOf(makerId: string, actor: Actor, manager: EntityManager): Promise<void> {
    const [revoked]: [{ id: string }[], number] = await manager.query(
      `UPDATE invitations SET revoked_at = now() WHERE created_by = $1 AND ${IS_OPEN} RETURNING id`,
      [makerId],
    );
    for (const { id } of revoked) await this.recordRevoked(id, actor, manager);
  }

  /** For a user who is deleted: the note may say who it was. */
  async forgetPerson(userId: string, manager: EntityManager): Promise<void> {
    await manager.query('UPDATE invitations SET note = NULL WHERE used_by = $1', [userId]);
  }

  recordRevoked(id: string, actor: Actor, manager: EntityManager): Promise<void> {
    return this.auditLog.record(
      { ...actor, action: 'invitation.revoked', subject: 'invitation', subjectId: id },
      manager,
    );
  }
}

/** None was given, or one that lets nobody in (any more): which of it, is nobody's business. */
export function invitationRequired(): ApiException {
  return new ApiException({
    status: 403,
    code: 'invitation_required',
    message:
      'The invitation is missing or not valid (any more): each works once and for a limited time. ' +
      'Ask an administrator for one.',
    param: 'invitation',
  });
}
