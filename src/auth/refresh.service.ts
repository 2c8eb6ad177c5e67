import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { StrangersConnections } from '../database/strangers-connections';
import { AuthSecrets } from './auth-secrets';
import type { Client } from './current-client.decorator';
import {
  formatRefreshToken,
  parseRefreshToken,
  RefreshToken,
  refreshTokenHash,
  successorOf,
} from './refresh-token';

/** How long the predecessor of an unused token still yields that same token, so that a lost answer can be repeated. */
const GRACE_SECONDS = 10;

interface LiveToken {
  readonly userId: string;
  readonly generation: number;
  readonly tokenHash: Buffer;
  readonly rotatedJustNow: boolean;
}

export interface Refreshed {
  readonly userId: string;
  readonly sessionId: string;
  readonly refreshToken: string;
}

/** Turns refresh tokens. Each works once; one that comes back later is taken for stolen and ends its family. */
@Injectable()
export class RefreshService {
  private readonly key: Buffer;

  constructor(
    private readonly dataSource: DataSource,
    private readonly strangers: StrangersConnections,
    secrets: AuthSecrets,
  ) {
    this.key = secrets.refreshTokenKey;
  }

  /** Null when the token gives nothing (any more), for whatever reason. */
  async refresh(text: string, client: Client): Promise<Refreshed | null> {
    const presented = parseRefreshToken(this.key, text);
    if (!presented) return null;
    const successor = successorOf(this.key, presented);
    const userId = await this.strangers.run(
      async () =>
        (await this.rotate(presented, successor)) ?? (await this.repeat(presented, successor, client)),
    );
    if (userId === null) return null;
    const { sessionId } = presented;
    return { userId, sessionId, refreshToken: formatRefreshToken(this.key, successor) };
  }

  /** The user, when the presented token was the live one: of parallel attempts exactly one succeeds. */
  private async rotate(presented: RefreshToken, successor: RefreshToken): Promise<string | null> {
    const [rows]: [{ user_id: string }[], number] = await this.dataSource.query(
      `UPDATE sessions s SET generation = $3, token_hash = $4, rotated_at = now(), last_used_at = now()
       FROM users u
       WHERE s.id = $1 AND s.token_hash = $2 AND s.generation = $3 - 1 AND s.revoked_at IS NULL
         AND s.expires_at > now() AND u.id = s.user_id AND u.status = 'active' AND u.deleted_at IS NULL
       RETURNING s.user_id`,
      [presented.sessionId, refreshTokenHash(presented), successor.generation, refreshTokenHash(successor)],
    );
    return rows[0]?.user_id ?? null;
  }

  private async repeat(
    presented: RefreshToken,
    successor: RefreshToken,
    client: Client,
  ): Promise<string | null> {
    const live = await this.findLive(presented.sessionId);
    if (!live || presented.generation >= live.generation) return null;
    const isPredecessor =
      successor.generation === live.generation && refreshTokenHash(successor).equals(live.tokenHash);
    if (isPredecessor && live.rotatedJustNow) return live.userId;
    await this.endFamily(presented, live, client);
    return null;
  }

  private async findLive(sessionId: string): Promise<LiveToken | null> {
    const rows: LiveToken[] = await this.dataSource.query(
      `SELECT s.user_id AS "userId", s.generation, s.token_hash AS "tokenHash",
         s.rotated_at > now() - make_interval(secs => $2) AS "rotatedJustNow"
       FROM sessions s JOIN users u ON u.id = s.user_id
       WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
         AND u.status = 'active' AND u.deleted_at IS NULL`,
      [sessionId, GRACE_SECONDS],
    );
    return rows[0] ?? null;
  }

  /** One statement: the family ends and its end is on record, or neither. */
  private async endFamily(presented: RefreshToken, live: LiveToken, client: Client): Promise<void> {
    await this.dataSource.query(
      `WITH ended AS (
         UPDATE sessions SET revoked_at = now(), revoked_reason = 'refresh_reuse'
         WHERE id = $1 AND revoked_at IS NULL RETURNING id, user_id
       )
       INSERT INTO audit_log (actor_id, action, subject, subject_id, after, address, request_id)
       SELECT user_id, 'refresh_reuse', 'session', id, $2::jsonb, $3, $4 FROM ended`,
      [
        presented.sessionId,
        { presented_generation: presented.generation, live_generation: live.generation },
        client.address ?? null,
        client.requestId,
      ],
    );
  }
}
