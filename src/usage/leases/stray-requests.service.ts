import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements } from '../../database/hot-statements';
import { OpenRequests } from './open-requests';
import { ProcessIdentity } from './process-identity';

const OPEN_HERE = `SELECT request_id FROM open_requests
  WHERE process_id = $1::uuid AND admitted_at < clock_timestamp() - interval '2 seconds'`;
const RELEASE = `SELECT release_requests($1::text, $2::uuid[])`;

/** How often, and for how long after the last lost answer, it is looked for them; in milliseconds. */
const EVERY_MS = 3_000;
const SUSPICION_MS = 60_000;

/**
 * Releases reservations of this process that nobody here knows: PostgreSQL committed an admission, but its answer was
 * lost on the way, and the client was told 503. Nothing was sent to vLLM.
 */
@Injectable()
export class StrayRequests implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(StrayRequests.name);
  private timer?: NodeJS.Timeout;
  private suspiciousUntil = 0;

  constructor(
    private readonly statements: HotStatements,
    private readonly process: ProcessIdentity,
    private readonly open: OpenRequests,
    private readonly env: Env,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.round(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** An admission was given up without an answer: there may be one. */
  expect(): void {
    this.suspiciousUntil = performance.now() + SUSPICION_MS;
  }

  private async round(): Promise<void> {
    if (performance.now() > this.suspiciousUntil) return;
    try {
      const rows = await this.statements.run<{ request_id: string }>('open_here', OPEN_HERE, [
        this.process.id,
      ]);
      const strays = rows.map((row) => row.request_id).filter((id) => !this.open.has(id));
      if (strays.length > 0) {
        await this.statements.run('release_requests', RELEASE, [this.env.LIMITS_TIME_ZONE, strays]);
        this.logger.warn({ requests: strays }, 'released admissions whose answer was lost');
      }
    } catch {
      // PostgreSQL is away: there is no telling for how long.
      this.expect();
    }
  }
}
