import { Injectable, OnApplicationBootstrap, OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { ConfigurationError } from '../../config/load-env';
import { isCanceled } from '../../database/report-statements';
import { ProcessLease } from '../leases/process-lease.service';
import { zoneProblem } from './known-time-zone';

/** The name under which the zone of the counters lies in the table `settings`. */
export const ZONE_SETTING = 'limits_time_zone';

/** Keeps the zone with the counters: windows of two zones in one ledger would count some requests twice, some never. */
@Injectable()
export class LimitsTimeZone implements OnModuleInit, OnApplicationBootstrap {
  constructor(
    private readonly dataSource: DataSource,
    private readonly env: Env,
    private readonly lease: ProcessLease,
  ) {}

  /** @throws ConfigurationError when PostgreSQL has no such zone, or what is there was counted in another one */
  async onModuleInit(): Promise<void> {
    const wanted = this.env.LIMITS_TIME_ZONE;
    const problem = await zoneProblem(wanted, (sql, parameters) => this.dataSource.query(sql, parameters));
    if (problem !== null) throw new ConfigurationError(problem);
    const stored = await this.keep(wanted);
    if (stored === wanted) return;
    throw new ConfigurationError(
      `LIMITS_TIME_ZONE is ${wanted}, but the windows under way were counted in ${stored}. Set it back to ${stored}; ` +
        `or stop every gateway on this database, run "npm run limits:rezone" with LIMITS_TIME_ZONE=${wanted}, and start again.`,
    );
  }

  /** A change that saw no lease of this process may have begun since it looked; one that begins from here on sees it. */
  async onApplicationBootstrap(): Promise<void> {
    await this.lease.renew();
    await this.onModuleInit();
  }

  /** Before anything has been counted any zone will do. Waits for a change under way, which holds the row. */
  private async keep(wanted: string): Promise<string> {
    return this.keepIt(wanted).catch((error: unknown) => {
      if (!isCanceled(error)) throw error;
      throw new ConfigurationError(
        'Everything is being counted in another time zone (npm run limits:rezone): start when that has ended.',
      );
    });
  }

  private async keepIt(wanted: string): Promise<string> {
    const rows: { value: string }[] = await this.dataSource.query(
      `INSERT INTO settings AS s (name, value) VALUES ($1, $2)
       ON CONFLICT (name) DO UPDATE SET value = CASE
         WHEN EXISTS (SELECT 1 FROM usage_daily) OR EXISTS (SELECT 1 FROM open_requests)
           OR EXISTS (SELECT 1 FROM processes WHERE lease_until > clock_timestamp()) THEN s.value
         ELSE excluded.value END
       RETURNING value`,
      [ZONE_SETTING, wanted],
    );
    return rows[0]?.value ?? wanted;
  }
}
