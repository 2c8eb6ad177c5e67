import { hostname } from 'node:os';
import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements } from '../../database/hot-statements';
import { Checkpoint, OpenRequests } from './open-requests';
import { ProcessIdentity } from './process-identity';

const RENEW = `SELECT renew_lease($1::uuid, $2::text, $3::integer, $4::uuid[], $5::bigint[], $6::bigint[])`;
const END = `UPDATE processes SET lease_until = clock_timestamp() WHERE id = $1::uuid`;

/** A checkpoint is at most this old, in milliseconds, plus the time it takes to write it. */
const LONGEST_BEAT_MS = 4_000;
/** Checkpoints a statement carries at most: its cost grows with the square of their number. */
const CHECKPOINTS_AT_ONCE = 500;

/**
 * The lease of this process, renewed every few seconds together with the checkpoints of its running requests. When it
 * runs out, any other process settles what this one had open at its last checkpoint.
 */
@Injectable()
export class ProcessLease implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ProcessLease.name);
  private readonly name = `${hostname()}:${process.pid}`;
  /** performance.now() and Date.now(). */
  private renewedAt = { steady: -Infinity, wall: -Infinity };
  private steadySince = Infinity;
  private renewing: Promise<boolean> | null = null;
  private timer?: NodeJS.Timeout;
  private ended = false;

  constructor(
    private readonly statements: HotStatements,
    private readonly process: ProcessIdentity,
    private readonly open: OpenRequests,
    private readonly env: Env,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.renew();
    this.timer = setInterval(() => void this.renew(), this.beatMs).unref();
  }

  onApplicationShutdown(): void {
    this.stop();
  }

  /** Whether others still take this process for alive. Paused for long, or ended, a process may find that they do not. */
  get isHeld(): boolean {
    return !this.ended && this.sinceRenewed < this.env.PROCESS_LEASE_MS - this.beatMs;
  }

  /**
   * Whether the database has answered for at least one whole lease. Before, the leases of others may have run out only
   * because nobody could renew them.
   */
  get isSteady(): boolean {
    return performance.now() - this.steadySince >= this.env.PROCESS_LEASE_MS;
  }

  /** The process leaves in an orderly way; what it could not settle may be taken over at once. */
  async end(): Promise<void> {
    this.stop();
    await this.renewing;
    await this.statements.run('end_lease', END, [this.process.id]).catch(() => undefined);
  }

  /** @returns false when PostgreSQL could not be told */
  renew(): Promise<boolean> {
    if (this.ended) return Promise.resolve(false);
    this.renewing ??= this.renewOnce().finally(() => (this.renewing = null));
    return this.renewing;
  }

  private async renewOnce(): Promise<boolean> {
    const askedAt = { steady: performance.now(), wall: Date.now() };
    const sinceRenewed = this.sinceRenewed;
    const checkpoints = this.open.checkpoints();
    try {
      do {
        const some = checkpoints.splice(0, CHECKPOINTS_AT_ONCE);
        await this.write(some);
        this.open.written(some);
      } while (checkpoints.length > 0);
      // A lease that had run out begins anew: others were free to act in between.
      const ranOut = sinceRenewed >= this.env.PROCESS_LEASE_MS;
      if (ranOut || this.steadySince === Infinity) this.steadySince = askedAt.steady;
      this.renewedAt = askedAt;
      return true;
    } catch (error) {
      this.steadySince = Infinity;
      this.logger.warn({ err: error }, 'the lease of this process could not be renewed');
      return false;
    }
  }

  private write(checkpoints: readonly Checkpoint[]): Promise<unknown> {
    return this.statements.run('renew_lease', RENEW, [
      this.process.id,
      this.name,
      this.env.PROCESS_LEASE_MS,
      checkpoints.map(({ requestId }) => requestId),
      checkpoints.map(({ prompt }) => prompt),
      checkpoints.map(({ completion }) => completion),
    ]);
  }

  /** By the clock that has gone on longer: one stands still while the machine sleeps, the other may be set back. */
  private get sinceRenewed(): number {
    const { steady, wall } = this.renewedAt;
    return Math.max(performance.now() - steady, Date.now() - wall);
  }

  private get beatMs(): number {
    return Math.min(LONGEST_BEAT_MS, this.env.PROCESS_LEASE_MS / 5);
  }

  private stop(): void {
    this.ended = true;
    clearInterval(this.timer);
  }
}
