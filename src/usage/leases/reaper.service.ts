import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements, isFaultOfOneItem } from '../../database/hot-statements';
import { oneByOne } from './one-by-one';
import { ProcessLease } from './process-lease.service';

const REAP = `SELECT reap_requests AS request_id FROM reap_requests($1::text, $2::integer, $3::integer, $4::uuid)`;
const DEAD = `SELECT request_id FROM open_requests o
  WHERE NOT EXISTS (SELECT 1 FROM processes p WHERE p.id = o.process_id AND p.lease_until > clock_timestamp())
  ORDER BY request_id`;

const MOST_AT_ONCE = 200;

/**
 * Settles what dead processes had open, at the last checkpoint: a row whose process has no lease is nobody's. Runs in
 * every process; rows another one is at work on are passed over.
 */
@Injectable()
export class Reaper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Reaper.name);
  private timer?: NodeJS.Timeout;
  private running = false;

  constructor(
    private readonly statements: HotStatements,
    private readonly lease: ProcessLease,
    private readonly env: Env,
  ) {}

  onApplicationBootstrap(): void {
    // Not all replicas at the same moment.
    const everyMs = (this.env.PROCESS_LEASE_MS / 6) * (0.9 + Math.random() / 5);
    this.timer = setInterval(() => void this.round(), everyMs).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async round(): Promise<void> {
    if (this.running || !this.lease.isSteady || !this.lease.isHeld) return;
    this.running = true;
    try {
      await this.reapAll();
    } catch (error) {
      this.logger.warn({ err: error }, 'what dead processes left open could not be settled; trying again');
    } finally {
      this.running = false;
    }
  }

  private async reapAll(): Promise<void> {
    try {
      while ((await this.reap()) === MOST_AT_ONCE);
    } catch (error) {
      if (!isFaultOfOneItem(error)) throw error;
      const dead = await this.statements.run<{ request_id: string }>('dead_requests', DEAD, []);
      await oneByOne(
        dead.map((row) => row.request_id),
        (requestId) => this.reap(requestId),
        (requestId, fault) =>
          this.logger.error({ err: fault, requestId }, 'what a dead process had open cannot be settled'),
      );
    }
  }

  private async reap(only: string | null = null): Promise<number> {
    const rows = await this.statements.run<{ request_id: string }>('reap_requests', REAP, [
      this.env.LIMITS_TIME_ZONE,
      this.env.PROCESS_LEASE_MS,
      MOST_AT_ONCE,
      only,
    ]);
    if (rows.length > 0) {
      this.logger.warn(
        { requests: rows.map((row) => row.request_id) },
        'settled what a dead process had open',
      );
    }
    return rows.length;
  }
}
