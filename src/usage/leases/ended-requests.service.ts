import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { HotStatements } from '../../database/hot-statements';
import { userInactive } from '../admission/admission.exceptions';
import { OpenRequests } from './open-requests';
import { ProcessIdentity } from './process-identity';
import { requestEnded } from './request-ended.exception';

// The user is looked up row by row: a join might be planned as a walk through all accounts.
const TO_END = `
  SELECT o.request_id, o.end_requested_at IS NOT NULL AS by_admin FROM open_requests o
  WHERE o.process_id = $1::uuid AND (o.end_requested_at IS NOT NULL OR (
    SELECT u.status = 'active' AND u.deleted_at IS NULL FROM users u WHERE u.id = o.user_id) IS NOT TRUE)`;

/** How often it is looked, in milliseconds: what shall end has been told so within this and one statement. */
const EVERY_MS = 2_000;

/**
 * Ends running requests of this process that an administrator wants ended, or whose account is not active any more.
 * It goes by what the database says now and not by messages, so none can be lost on the way to a replica; a request
 * that is not at vLLM yet is found the next time.
 */
@Injectable()
export class EndedRequests implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(EndedRequests.name);
  private timer?: NodeJS.Timeout;
  private looking = false;

  constructor(
    private readonly statements: HotStatements,
    private readonly process: ProcessIdentity,
    private readonly open: OpenRequests,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.look(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.looking || this.open.size === 0) return;
    this.looking = true;
    try {
      const rows = await this.statements.run<{ request_id: string; by_admin: boolean }>(
        'requests_to_end',
        TO_END,
        [this.process.id],
      );
      for (const { request_id, by_admin } of rows) {
        this.open.cutShort(request_id, by_admin ? requestEnded() : userInactive());
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'it could not be seen which requests shall end; trying again');
    } finally {
      this.looking = false;
    }
  }
}
