import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { DataSource, QueryRunner } from 'typeorm';
import { Env } from '../../config/env';
import { silenceBeyond, WatchedClient } from '../../database/watched-client';
import { ClosedDays } from '../totals/closed-days';
import { UsageLeaders } from '../totals/usage-leaders';
import { DeadRows } from './dead-rows';
import { MAINTENANCE_STATEMENT_TIMEOUT_MS } from './maintenance-timeout';
import { UsagePartitions } from './usage-partitions';

/** Held by the one process that does it. */
const RETENTION_LOCK = '7311823310495028003';
const EVERY_MS = 3_600_000;

/**
 * Keeps the database in shape, at the start and every hour: partitions of the ledger ahead of time, months beyond
 * USAGE_RETENTION_MONTHS dropped, dead rows cleared away, days that are over added up, and who used most in their months
 * and years put in order. Of all processes over one database one does it at a time. The daily rollups and the audit log are
 * kept for ever.
 */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Retention.name);
  private timer?: NodeJS.Timeout;
  private running: Promise<void> = Promise.resolve();
  private readonly end = new AbortController();

  constructor(
    private readonly dataSource: DataSource,
    private readonly partitions: UsagePartitions,
    private readonly deadRows: DeadRows,
    private readonly closedDays: ClosedDays,
    private readonly leaders: UsageLeaders,
    private readonly env: Env,
  ) {}

  onApplicationBootstrap(): void {
    // Not all replicas at the same moment.
    this.timer = setInterval(() => this.start(), EVERY_MS * (0.9 + Math.random() / 5)).unref();
    this.start();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.end.abort();
    await this.running;
  }

  /**
   * @param at instead of the database's time; never this machine's: a wrong clock must not drop the ledger
   * @returns false when another process is at it
   */
  async run(at?: Date): Promise<boolean> {
    const session = this.dataSource.createQueryRunner();
    const client = (await session.connect()) as WatchedClient;
    client.allowSilence(silenceBeyond(MAINTENANCE_STATEMENT_TIMEOUT_MS));
    try {
      if (!(await isFree(session))) return false;
      try {
        const now = at ?? (await timeOf(session));
        const { signal } = this.end;
        await this.partitions.makeMissing(session, now, signal);
        const months = this.env.USAGE_RETENTION_MONTHS;
        if (months > 0) await this.partitions.dropOld(session, now, months, signal);
        await this.deadRows.delete(session, now);
        await this.closedDays.keep(session, now, signal);
        await this.leaders.keep(session, signal);
      } finally {
        await session.query('SELECT pg_advisory_unlock($1)', [RETENTION_LOCK]);
      }
      return true;
    } finally {
      client.allowUsualSilence();
      await session.release();
    }
  }

  private start(): void {
    this.running = this.run().then(
      () => undefined,
      (error: unknown) => {
        if (this.end.signal.aborted) return;
        this.logger.warn({ err: error }, 'the ledger could not be kept in shape; trying again in an hour');
      },
    );
  }
}

async function isFree(session: QueryRunner): Promise<boolean> {
  const rows = (await session.query('SELECT pg_try_advisory_lock($1) AS free', [RETENTION_LOCK])) as {
    free: boolean;
  }[];
  return rows[0]?.free ?? false;
}

async function timeOf(session: QueryRunner): Promise<Date> {
  const [row] = (await session.query('SELECT clock_timestamp() AS now')) as [{ now: Date }];
  return row.now;
}
