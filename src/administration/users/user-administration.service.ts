import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { ApiKeysService } from '../../auth/api-keys/api-keys.service';
import { Actor, AuditEntry, AuditLog } from '../../auth/audit-log';
import { sessionTokenInvalid } from '../../auth/authentication.failures';
import { Invitations } from '../../auth/invitations/invitations.service';
import { PasswordResetLink } from '../../auth/password-reset/dto/password-reset.dto';
import {
  FIRST_PASSWORD_HOURS,
  PasswordResets,
  RESET_HOURS,
} from '../../auth/password-reset/password-resets.service';
import { SessionsService } from '../../auth/sessions.service';
import { deleteLimitsOfUser } from '../../usage/limits/limit-store';
import { monthlyTokens } from '../../users/first-limits';
import { refuseFormerAdmin, requireHeldAdmin, withActor } from '../../users/former-admin';
import { holdAccounts, holdAccountsAndAdmins } from '../../users/hold-accounts';
import { User } from '../../users/user.entity';
import { UsersService } from '../../users/users.service';
import type { ChangeUser } from './dto/change-user.dto';
import type { CreatedUserResponse, CreateUser } from './dto/create-user.dto';
import type { AdminUserResponse } from './dto/users-query.dto';
import { refuseLastAdmin } from './last-admin';
import { refuseOwnAccount } from './own-account-refusal';
import { UserDirectory } from './user-directory.service';

const FIRST_KEY_NAME = 'first key';

/** What administrators do with accounts. Every change and its row in the audit log are one transaction. */
@Injectable()
export class UserAdministration {
  constructor(
    private readonly users: UsersService,
    private readonly directory: UserDirectory,
    private readonly apiKeys: ApiKeysService,
    private readonly sessions: SessionsService,
    private readonly passwordResets: PasswordResets,
    private readonly invitations: Invitations,
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
  ) {}

  /** An account with a first API key and, when no password is given, a link to set one: all or nothing. */
  async create(actor: Actor, dto: CreateUser): Promise<CreatedUserResponse> {
    const prepared = await this.users.prepare({
      username: dto.username,
      password: dto.password ?? null,
      email: dto.email,
      name: dto.name,
      role: dto.role,
      given: dto.token_limit === undefined ? [] : [monthlyTokens(dto.token_limit)],
    });
    const { userId, key, link } = await this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin(actor, manager);
      const user = await this.users.insert(prepared, manager);
      const { key } = await this.apiKeys.mint(user.id, { name: FIRST_KEY_NAME }, manager);
      const link =
        user.passwordHash === null
          ? await this.passwordResets.issue(
              { userId: user.id, issuedBy: actor.actorId, hours: FIRST_PASSWORD_HOURS },
              manager,
            )
          : null;
      const after = { role: user.role, status: user.status, token_limit: dto.token_limit };
      await this.record(actor, { action: 'user.created', userId: user.id, after }, manager);
      return { userId: user.id, key, link };
    });
    return { ...(await this.directory.get(userId)), api_key: key, password_link: link };
  }

  /** @throws ApiException 403 when the role of the actor is gone, 409 when it would leave no active administrator */
  async change(actor: Actor, userId: string, change: ChangeUser): Promise<AdminUserResponse> {
    await this.dataSource.transaction(async (manager) => {
      const endsAdmin = change.role === 'user' || change.status === 'disabled';
      const held = await (endsAdmin ? holdAccountsAndAdmins : holdAccounts)(
        manager,
        withActor([userId], actor),
      );
      requireHeldAdmin(held, actor);
      const user = heldUser(held, userId);
      const after = changed(user, change);
      if (Object.keys(after).length === 0) return;
      if (endsAdmin) refuseLastAdmin(held, user);
      await manager.update(User, { id: userId }, { ...after, updatedAt: () => 'now()' });
      const reason = after.status === 'disabled' ? 'disabled' : after.role && 'role_changed';
      if (reason) await this.sessions.endAll(userId, { reason }, manager);
      if (endsAdmin) await this.endHandedOut(userId, actor, manager);
      await this.record(actor, { action: 'user.changed', userId, ...accountOf(user, after) }, manager);
    });
    return this.directory.get(userId);
  }

  /**
   * @throws ApiException 403 when the role of the actor is gone, 409 for one's own account: a session alone does not end
   * that
   */
  async deleteOther(actor: Actor, userId: string): Promise<void> {
    refuseOwnAccount(actor, userId, 'DELETE /users/me deletes it');
    return this.remove(actor, userId, (held) => requireHeldAdmin(held, actor));
  }

  /** For an owner who has proved to be one. @throws ApiException 409 for the last active administrator */
  async deleteOwn(actor: Actor & { actorId: string }): Promise<void> {
    return this.remove(actor, actor.actorId, (held) => {
      // Of two who ask for it at once, one comes too late.
      if (!held.some(({ id }) => id === actor.actorId)) throw sessionTokenInvalid();
    });
  }

  /**
   * Forgets who it was and keeps what was used.
   * @param mayActor given the account and all active administrators, as they are held
   */
  private async remove(
    actor: Actor,
    userId: string,
    mayActor: (held: readonly User[]) => void = () => undefined,
  ): Promise<void> {
    const revoked = await this.dataSource.transaction(async (manager) => {
      const held = await holdAccountsAndAdmins(manager, [userId]);
      mayActor(held);
      const user = heldUser(held, userId);
      refuseLastAdmin(held, user);
      await this.users.anonymise(userId, manager);
      await manager.query('DELETE FROM sessions WHERE user_id = $1', [userId]);
      await this.passwordResets.withdraw(userId, manager);
      await this.endHandedOut(userId, actor, manager);
      await this.invitations.forgetPerson(userId, manager);
      const keys = await this.apiKeys.markRevoked(actor, { userId }, manager);
      await manager.query(`UPDATE api_keys SET name = 'deleted' WHERE user_id = $1`, [userId]);
      await deleteLimitsOfUser(manager, userId);
      const before = { role: user.role, status: user.status };
      await this.record(actor, { action: 'user.deleted', userId, before }, manager);
      return keys;
    });
    this.apiKeys.forget(revoked);
  }

  /**
   * The old password stays until the link is used.
   * @throws ApiException 403 when the role of the actor is gone, 409 for one's own account
   */
  async issuePasswordReset(actor: Actor, userId: string): Promise<PasswordResetLink> {
    refuseOwnAccount(actor, userId, 'POST /auth/password changes its password');
    return this.dataSource.transaction(async (manager) => {
      const held = await holdAccounts(manager, withActor([userId], actor));
      requireHeldAdmin(held, actor);
      heldUser(held, userId);
      const issuedBy = actor.actorId;
      const link = await this.passwordResets.issue({ userId, issuedBy, hours: RESET_HOURS }, manager);
      const after = { expires_at: link.expires_at };
      await this.record(actor, { action: 'user.password_reset_issued', userId, after }, manager);
      return link;
    });
  }

  /** Invitations and password links of an administrator who stops being one. */
  private async endHandedOut(userId: string, actor: Actor, manager: EntityManager): Promise<void> {
    await this.invitations.revokeAllOf(userId, actor, manager);
    await this.passwordResets.withdrawAllOf(userId, actor, manager);
  }

  private record(
    actor: Actor,
    { userId, ...entry }: Pick<AuditEntry, 'action' | 'before' | 'after'> & { userId: string },
    manager: EntityManager,
  ): Promise<void> {
    return this.auditLog.record({ ...actor, ...entry, subject: 'user', subjectId: userId }, manager);
  }
}

type Changes = Partial<Pick<User, 'role' | 'status' | 'name' | 'email'>>;

/** What of a change is another value than before. */
function changed(user: User, { role, status, name, email }: ChangeUser): Changes {
  const wanted = { role, status, name, email };
  return Object.fromEntries(
    Object.entries(wanted).filter(
      ([field, value]) => value !== undefined && value !== user[field as keyof Changes],
    ),
  );
}

function heldUser(held: readonly User[], userId: string): User {
  // Paths may write an id in capitals; PostgreSQL does not.
  const user = held.find(({ id }) => id === userId.toLowerCase());
  if (!user) throw new NotFoundException('There is no such user.');
  return user;
}

/** For the audit log: the values of what is not personal, and which of the rest has changed. */
function accountOf(user: User, { role, status, ...personal }: Changes): Pick<AuditEntry, 'before' | 'after'> {
  return {
    before: { role: user.role, status: user.status },
    after: {
      role: role ?? user.role,
      status: status ?? user.status,
      ...(Object.keys(personal).length > 0 ? { also_changed: Object.keys(personal) } : {}),
    },
  };
}
