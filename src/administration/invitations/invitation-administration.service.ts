import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidV7 } from 'uuid';
import { Actor, AuditLog } from '../../auth/audit-log';
import { Invitations } from '../../auth/invitations/invitations.service';
import { mintOneTimeToken, oneTimeTokenHash } from '../../auth/one-time-token';
import { ApiException } from '../../common/api.exception';
import { Env } from '../../config/env';
import { noLongerAdmin, refuseFormerAdmin } from '../../users/former-admin';
import type { CreatedInvitationResponse, CreateInvitation } from './invitation.dto';
import { InvitationDirectory } from './invitation-directory.service';
import { givenLimits, toLimitView } from './invited-limits';

/** Makes and revokes invitations. Every change and its row in the audit log are one transaction. */
@Injectable()
export class InvitationAdministration {
  constructor(
    private readonly directory: InvitationDirectory,
    private readonly invitations: Invitations,
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** @throws ApiException 409 when nobody could register with it, 403 when the role of the actor is gone */
  async create(
    actor: Actor,
    { role = 'user', note, expires_in_days: days, ...dto }: CreateInvitation,
  ): Promise<CreatedInvitationResponse> {
    if (this.env.registration === 'closed') throw nobodyRegisters();
    const id = uuidV7();
    const token = mintOneTimeToken('llmi_');
    const limits = givenLimits(dto);
    await this.dataSource.transaction(async (manager) => {
      // The lock waits for whoever takes the role from its maker just now, and revokes all of theirs.
      const rows: { expires_at: Date }[] = await manager.query(
        `WITH maker AS (
           SELECT id FROM users
           WHERE id = $2 AND role = 'admin' AND status = 'active' AND deleted_at IS NULL FOR SHARE
         )
         INSERT INTO invitations (id, created_by, token_hash, role, note, limits, expires_at)
         SELECT $1, id, $3, $4, $5, $6, now() + make_interval(days => $7) FROM maker RETURNING expires_at`,
        [id, actor.actorId, oneTimeTokenHash(token), role, note ?? null, JSON.stringify(limits), days],
      );
      if (!rows[0]) throw noLongerAdmin();
      const after = {
        role,
        limits: limits.map(toLimitView),
        expires_at: rows[0].expires_at.toISOString(),
      };
      await this.auditLog.record(
        { ...actor, action: 'invitation.created', subject: 'invitation', subjectId: id, after },
        manager,
      );
    });
    // Behind the #, where it reaches no log of a server or proxy.
    const url = `${this.env.publicUrl}/auth/register#${token}`;
    return { ...(await this.directory.get(id)), token, url };
  }

  /**
   * Twice is as good as once.
   * @throws ApiException 403 when the role of the actor is gone, 409 when an account has been made with it
   */
  async revoke(actor: Actor, id: string): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin(actor, manager);
      const [, revoked]: [unknown, number] = await manager.query(
        'UPDATE invitations SET revoked_at = now() WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL',
        [id],
      );
      if (revoked === 1) await this.invitations.recordRevoked(id, actor, manager);
    });
    const { status } = await this.directory.get(id);
    if (status === 'used') throw alreadyUsed();
  }
}

function alreadyUsed(): ApiException {
  return new ApiException({
    status: 409,
    code: 'invitation_used',
    message: 'This invitation has been used; used_by names the account, which can be disabled or deleted.',
  });
}

const nobodyRegisters = (): ApiException =>
  new ApiException({
    status: 409,
    code: 'registration_closed',
    message:
      'REGISTRATION=closed accepts no invitation: set it to invite, or make the account with POST /admin/users.',
  });
