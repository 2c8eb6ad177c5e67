import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements, isFaultOfOneItem } from '../../database/hot-statements';
import { oneByOne } from './one-by-one';
import { OpenRequests } from './open-requests';
import { ProcessIdentity } from './process-identity';

const OPEN_HERE = `SELECT request_id FROM open_requests
  WHERE process_id = $1::uuid AND admitted_at < clock_timestamp() - interval '2 seconds'`;
const RELEASE = `SELECT release_requests AS request_id FROM release_requests($1::text, $2::uuid[])`;

/** How often, and for how long after the last lost answer, it is looked for them; in milliseconds. */
const EVERY_MS = 3_000;
const SUSPICION_MS = 60_000;

/**
 * Settles rows of open_requests in the name of this process that nobody here knows. PostgreSQL committed an admission, but
 * its answer was lost on the way, and the client was told 503: nothing was sent to vLLM. Or it goes on from a standby that
 * was behind, and knows nothing of a settlement that was committed. The first is expected when an admission has failed; the
 * second is looked for once a lease, as a dead process' requests would be.
 */
@Injectable()
export class StrayRequests implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(StrayRequests.name);
  private timer?: NodeJS.Timeout;
  private suspiciousUntil = 0;
  private lookedAt = 0;
  private looking = false;

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
    const now = performance.now();
    if (this.looking || (now > this.suspiciousUntil && now - this.lookedAt < this.env.PROCESS_LEASE_MS))
      return;
    this.looking = true;
    this.lookedAt = now;
    try {
      await this.look();
    } catch {
      // PostgreSQL is away: there is no telling for how long.
      this.expect();
    } finally {
      this.looking = false;
    }
  }

  /** What is under way here is known before it has a row, and until it has none any more. */
  private async look(): Promise<void> {
    const rows = await this.statements.run<{ request_id: string }>('open_here', OPEN_HERE, [this.process.id]);
    const strays = rows.map((row) => row.request_id).filter((id) => !this.open.has(id));
    if (strays.length === 0) return;
    try {
      await this.release(strays);
    } catch (error) {
      if (!isFaultOfOneItem(error)) throw error;
      await oneByOne(
        strays,
        (requestId) => this.release([requestId]),
        (requestId, fault) =>
          this.logger.error({ err: fault, requestId }, 'what is open for no one cannot be settled'),
      );
    }
  }

  private async release(strays: readonly string[]): Promise<void> {
    const rows = await this.statements.run<{ request_id: string }>('release_requests', RELEASE, [
      this.env.LIMITS_TIME_ZONE,
      strays,
    ]);
    if (rows.length === 0) return;
    this.logger.warn(
      { requests: rows.map((row) => row.request_id) },
      'settled what was open here and known to nobody',
    );
  }
}
