import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { ApiException } from '../../common/api.exception';
import { Env } from '../../config/env';
import { StrangersConnections } from '../../database/strangers-connections';
import type { User } from '../../users/user.entity';
import { UsersService } from '../../users/users.service';
import { Actor, AuditLog } from '../audit-log';
import type { Client } from '../current-client.decorator';
import { mintOneTimeToken, oneTimeTokenHash } from '../one-time-token';
import { SessionsService } from '../sessions.service';
import { forgetWrongPasswords } from '../wrong-passwords';
import type { CheckPasswordLink, PasswordResetLink, ResetPassword } from './dto/password-reset.dto';

/** How long a link works: a reset is expected, a first password may wait over a long weekend. */
export const RESET_HOURS = 24;
export const FIRST_PASSWORD_HOURS = 7 * 24;

/** Links with which users set a password once. Only a hash of them is kept, and one for each user. */
@Injectable()
export class PasswordResets {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly auditLog: AuditLog,
    private readonly strangers: StrangersConnections,
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** A new link, in `manager`'s transaction; the one before stops working. */
  async issue(
    { userId, issuedBy, hours }: { userId: string; issuedBy: string | null; hours: number },
    manager: EntityManager,
  ): Promise<PasswordResetLink> {
    const token = mintOneTimeToken('llmp_');
    const rows: { expires_at: Date }[] = await manager.query(
      `INSERT INTO password_resets (user_id, token_hash, expires_at, issued_by)
       VALUES ($1, $2, now() + make_interval(hours => $3), $4)
       ON CONFLICT (user_id) DO UPDATE
         SET token_hash = excluded.token_hash, created_at = now(), expires_at = excluded.expires_at,
           issued_by = excluded.issued_by
       RETURNING expires_at`,
      [userId, oneTimeTokenHash(token), hours, issuedBy],
    );
    const expiresAt = (rows[0] as { expires_at: Date }).expires_at;
    return {
      token,
      // Behind the #, where it reaches no log of a server or proxy.
      url: `${this.env.publicUrl}/auth/password-reset#${token}`,
      expires_at: expiresAt.toISOString(),
    };
  }

  async withdraw(userId: string, manager: EntityManager): Promise<void> {
    await manager.query('DELETE FROM password_resets WHERE user_id = $1', [userId]);
  }

  /** For an administrator who stops being one: the links he or she handed out open no account any more. */
  async withdrawAllOf(issuerId: string, actor: Actor, manager: EntityManager): Promise<void> {
    const [withdrawn]: [{ user_id: string; open: boolean }[], number] = await manager.query(
      'DELETE FROM password_resets WHERE issued_by = $1 RETURNING user_id, expires_at > now() AS open',
      [issuerId],
    );
    for (const { user_id: subjectId } of withdrawn.filter(({ open }) => open)) {
      const entry = { action: 'user.password_reset_revoked', subject: 'user', subjectId } as const;
      await this.auditLog.record({ ...actor, ...entry }, manager);
    }
  }

  /**
   * Whether a link can be used now; it stays as it is.
   * @throws ApiException 400, as `use` would
   */
  async check({ token }: CheckPasswordLink): Promise<void> {
    const user = await this.strangers.run(() => this.ownerOf(oneTimeTokenHash(token)));
    if (!user) throw invalidToken();
  }

  /** Sets the password and ends all sessions. A refused password leaves the link as it was. */
  async use({ token, new_password: password }: ResetPassword, client: Client): Promise<void> {
    const tokenHash = oneTimeTokenHash(token);
    const user = await this.strangers.run(() => this.ownerOf(tokenHash));
    if (!user) throw invalidToken();
    const passwordHash = await this.users.hashNewPassword(user, password);
    const setIt = async (manager: EntityManager) => {
      if (!(await this.users.hold(user.id, manager))) throw invalidToken();
      // Of two who use it at once, one deletes it.
      const [, deleted]: [unknown, number] = await manager.query(
        `DELETE FROM password_resets WHERE token_hash = $1 AND expires_at > now()`,
        [tokenHash],
      );
      if (deleted !== 1) throw invalidToken();
      await this.users.setPasswordHash(user.id, passwordHash, manager);
      await forgetWrongPasswords(user.username, manager);
      await this.sessions.endAll(user.id, { reason: 'password_reset' }, manager);
      await this.auditLog.record(
        {
          actorId: user.id,
          action: 'user.password_reset_used',
          subject: 'user',
          subjectId: user.id,
          address: client.address,
          requestId: client.requestId,
        },
        manager,
      );
    };
    await this.strangers.run(() => this.dataSource.transaction(setIt));
  }

  private async ownerOf(tokenHash: Buffer): Promise<User | null> {
    const rows: { user_id: string }[] = await this.dataSource.query(
      'SELECT user_id FROM password_resets WHERE token_hash = $1 AND expires_at > now()',
      [tokenHash],
    );
    return rows[0] ? this.users.findById(rows[0].user_id) : null;
  }
}

function invalidToken(): ApiException {
  return new ApiException({
    status: 400,
    code: 'invalid_reset_token',
    message: 'This link is not valid (any more): it works once and for a limited time. Ask for a new one.',
    param: 'token',
  });
}
