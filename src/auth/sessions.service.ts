import { randomBytes } from 'node:crypto';
import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { EntityManager, Repository } from 'typeorm';
import { v7 as uuidV7 } from 'uuid';
import type { Principal, Role } from '../common/principal';
import { Env } from '../config/env';
import { HotStatements } from '../database/hot-statements';
import type { User } from '../users/user.entity';
import { AuthSecrets } from './auth-secrets';
import type { Client } from './current-client.decorator';
import type { SessionResponse } from './dto/session-response.dto';
import { formatRefreshToken, refreshTokenHash } from './refresh-token';
import { Session } from './session.entity';

/** Older sessions of a user end when there are more. */
const SESSIONS_PER_USER = 50;

const LIVE = `
  SELECT u.username, u.role FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = $1 AND u.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
    AND u.status = 'active' AND u.deleted_at IS NULL`;

export interface OpenedSession {
  readonly id: string;
  readonly refreshToken: string;
}

/** Sessions: opened by a login, ended by their owner. Their refresh tokens turn in RefreshService. */
@Injectable()
export class SessionsService {
  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    private readonly statements: HotStatements,
    private readonly secrets: AuthSecrets,
    private readonly env: Env,
  ) {}

  /** Null when the account changed between the check of its password and now. */
  async open(user: User, client: Client): Promise<OpenedSession | null> {
    const first = { sessionId: uuidV7(), generation: 0, secret: randomBytes(32) };
    // The share lock makes a login with the old password wait for the change of it, and then fail.
    const opened: unknown[] = await this.sessions.query(
      `WITH account AS (
         SELECT id FROM users
         WHERE id = $2 AND password_hash = $3 AND status = 'active' AND deleted_at IS NULL FOR SHARE
       )
       INSERT INTO sessions (id, user_id, token_hash, expires_at, user_agent, address)
       SELECT $1, id, $4, now() + make_interval(secs => $5), $6, $7 FROM account RETURNING id`,
      [
        first.sessionId,
        user.id,
        user.passwordHash,
        refreshTokenHash(first),
        this.env.SESSION_SECONDS,
        client.userAgent ?? null,
        client.address ?? null,
      ],
    );
    if (opened.length === 0) return null;
    await this.noteLogin(user.id, first.sessionId);
    return { id: first.sessionId, refreshToken: formatRefreshToken(this.secrets.refreshTokenKey, first) };
  }

  /** Who a live session belongs to; null when it or its user is not (or no longer) valid. */
  async principalOf(sessionId: string, userId: string): Promise<Principal | null> {
    const rows = await this.statements.run<{ username: string; role: Role }>('find_session', LIVE, [
      sessionId,
      userId,
    ]);
    const row = rows[0];
    return row ? { userId, username: row.username, role: row.role, via: 'session', sessionId } : null;
  }

  /** @param sessionId the one that asks, if it is among them */
  async list({ userId, sessionId }: Pick<Principal, 'userId' | 'sessionId'>): Promise<SessionResponse[]> {
    const live: Session[] = await this.sessions
      .createQueryBuilder('s')
      .where('s.userId = :userId AND s.revokedAt IS NULL AND s.expiresAt > now()', {
        userId,
      })
      .orderBy('s.lastUsedAt', 'DESC')
      .getMany();
    return live.map((session) => ({
      id: session.id,
      created_at: session.createdAt.toISOString(),
      last_used_at: session.lastUsedAt.toISOString(),
      expires_at: session.expiresAt.toISOString(),
      user_agent: session.userAgent,
      address: session.address,
      current: session.id === sessionId,
    }));
  }

  async logOut(principal: Principal): Promise<void> {
    if (principal.sessionId) await this.end(principal.userId, principal.sessionId);
  }

  async logOutEverywhere({ userId }: Principal): Promise<void> {
    await this.endAll(userId, { reason: 'logout' }, this.sessions.manager);
  }

  /** @throws NotFoundException for a session that is not the user's own, or has ended. */
  async end(userId: string, sessionId: string): Promise<void> {
    const ended = await this.sessions
      .createQueryBuilder()
      .update()
      .set({ revokedAt: () => 'now()', revokedReason: 'logout' })
      .where('id = :sessionId AND user_id = :userId AND revoked_at IS NULL', { sessionId, userId })
      .execute();
    if (ended.affected !== 1) throw new NotFoundException('There is no such session.');
  }

  /** Ends the sessions of a user, in `manager`'s transaction; one may be kept. @returns how many ended */
  async endAll(
    userId: string,
    { reason, except }: { reason: string; except?: string },
    manager: EntityManager,
  ): Promise<number> {
    const [, ended]: [unknown, number] = await manager.query(
      `UPDATE sessions SET revoked_at = now(), revoked_reason = $3
       WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND revoked_at IS NULL`,
      [userId, except ?? null, reason],
    );
    return ended;
  }

  private async noteLogin(userId: string, sessionId: string): Promise<void> {
    // One after the other: who holds a session while it waits for its user could wait for somebody who ends sessions.
    await this.sessions.query(`UPDATE users SET last_login_at = now() WHERE id = $1 AND deleted_at IS NULL`, [
      userId,
    ]);
    // Nor does it wait for sessions that somebody else ends or deletes just now, in whatever order: the next login does it.
    await this.sessions.query(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE id = ANY (ARRAY (
           SELECT id FROM sessions WHERE user_id = $1 AND id <> $2
           ORDER BY (revoked_at IS NULL AND expires_at > now()) DESC, last_used_at DESC
           OFFSET ${SESSIONS_PER_USER - 1}
         )) FOR UPDATE SKIP LOCKED)`,
      [userId, sessionId],
    );
  }
}
