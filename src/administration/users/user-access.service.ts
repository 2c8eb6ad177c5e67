import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiKeysService } from '../../auth/api-keys/api-keys.service';
import type { ApiKeyResponse } from '../../auth/api-keys/dto/api-key-response.dto';
import { apiKeyNotFound } from '../../auth/api-keys/own-key';
import { Actor, AuditLog } from '../../auth/audit-log';
import type { SessionResponse } from '../../auth/dto/session-response.dto';
import { SessionsService } from '../../auth/sessions.service';
import { refuseFormerAdmin } from '../../users/former-admin';
import { UsersService } from '../../users/users.service';

/** What a user gets in with, as far as administrators may see and end it. */
@Injectable()
export class UserAccess {
  constructor(
    private readonly users: UsersService,
    private readonly apiKeys: ApiKeysService,
    private readonly sessions: SessionsService,
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
  ) {}

  /** @throws ApiException 403 when the role of the actor is gone */
  async endSessions(actor: Actor, userId: string): Promise<void> {
    await this.users.getById(userId);
    await this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin(actor, manager);
      const ended = await this.sessions.endAll(userId, { reason: 'ended_by_admin' }, manager);
      await this.auditLog.record(
        { ...actor, action: 'user.sessions_ended', subject: 'user', subjectId: userId, after: { ended } },
        manager,
      );
    });
  }

  /** @param sessionId of who asks */
  async listSessions(userId: string, sessionId?: string): Promise<SessionResponse[]> {
    await this.users.getById(userId);
    return this.sessions.list({ userId, sessionId });
  }

  async listKeys(userId: string): Promise<ApiKeyResponse[]> {
    await this.users.getById(userId);
    return this.apiKeys.list(userId);
  }

  /** @param keyId absent: all keys of the user. @throws ApiException 403 when the role of the actor is gone */
  async revokeKeys(actor: Actor, userId: string, keyId?: string): Promise<void> {
    await this.users.getById(userId);
    const revoked = await this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin(actor, manager);
      const keys = await this.apiKeys.markRevoked(actor, { userId, keyId }, manager);
      if (keyId !== undefined && keys.length === 0) throw apiKeyNotFound();
      const after = { key_ids: keys.map(({ id }) => id) };
      await this.auditLog.record(
        { ...actor, action: 'user.api_keys_revoked', subject: 'user', subjectId: userId, after },
        manager,
      );
      return keys;
    });
    this.apiKeys.forget(revoked);
  }
}
