import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { AuditEntry, AuditLog } from '../auth/audit-log';
import { forgetWrongPasswords } from '../auth/wrong-passwords';
import { ApiException } from '../common/api.exception';
import type { AdminCredentials } from '../startup/admin-credentials';
import { StartupFailure } from '../startup/startup-failure';
import { User } from '../users/user.entity';
import { UsersService } from '../users/users.service';

/** Administrators made and let in again at the server. Every change and its row in the audit log are one transaction. */
@Injectable()
export class AdminAccounts {
  constructor(
    private readonly users: UsersService,
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
  ) {}

  /** @throws StartupFailure when the name belongs to an account */
  async create({ username, password }: AdminCredentials): Promise<void> {
    try {
      const prepared = await this.users.prepare({ username, password, role: 'admin' });
      await this.dataSource.transaction(async (manager) => {
        const user = await this.users.insert(prepared, manager);
        const after = { role: user.role, status: user.status };
        await this.record(user, { action: 'user.created', after }, manager);
      });
    } catch (error) {
      throw error instanceof ApiException && error.code === 'username_taken' ? nameTaken(username) : error;
    }
  }

  /**
   * An active administrator with this password, and nobody else logged in as one.
   * @throws StartupFailure when there is no such account
   */
  async reset({ username, password }: AdminCredentials): Promise<void> {
    const found = await this.users.findByUsername(username);
    if (!found) throw nobody(username);
    const passwordHash = await this.users.hashNewPassword(found, password).catch((error: unknown) => {
      throw error instanceof ApiException && error.code === 'weak_password' ? tooWeak(error) : error;
    });
    await this.dataSource.transaction(async (manager) => {
      const user = await this.users.hold(found.id, manager);
      if (!user) throw nobody(username);
      const changes = { role: 'admin', status: 'active', passwordHash, updatedAt: () => 'now()' } as const;
      await manager.update(User, { id: user.id }, changes);
      await forgetWrongPasswords(user.username, manager);
      const [, ended]: [unknown, number] = await manager.query(
        `UPDATE sessions SET revoked_at = now(), revoked_reason = 'password_reset'
         WHERE user_id = $1 AND revoked_at IS NULL`,
        [user.id],
      );
      await manager.query('DELETE FROM password_resets WHERE user_id = $1', [user.id]);
      const before = { role: user.role, status: user.status };
      const after = { role: 'admin', status: 'active', sessions_ended: ended };
      await this.record(user, { action: 'user.admin_reset', before, after }, manager);
    });
  }

  private record(
    { id }: User,
    entry: Pick<AuditEntry, 'action' | 'before' | 'after'>,
    manager: EntityManager,
  ): Promise<void> {
    return this.auditLog.record({ ...entry, actorId: null, subject: 'user', subjectId: id }, manager);
  }
}

const nameTaken = (username: string): StartupFailure =>
  new StartupFailure(
    `${username} is an account already: with --reset it becomes an active administrator with a new password, ` +
      'and its sessions end.',
  );

const nobody = (username: string): StartupFailure =>
  new StartupFailure(`There is no account ${username} to reset; without --reset it is made.`);

/** What only the account itself can tell: the password is its e-mail address. */
const tooWeak = ({ message }: ApiException): StartupFailure =>
  new StartupFailure(`${message.replace(/^new_password/, 'ADMIN_PASSWORD')}.`);
