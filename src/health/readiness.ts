import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Upstreams } from '../proxy/upstream/upstreams.service';
import { ProcessLease } from '../usage/leases/process-lease.service';
import { SettlementSpool } from '../usage/spool/settlement-spool.service';
import type { ReadinessReport } from './health.dto';

const CHECK_TIMEOUT_MS = 1_000;
/** Anybody may ask: however often, the database and vLLM are asked no more than this. */
const REPORT_LIFE_MS = 1_000;

/** Also off where a failover has led to a standby: it answers, and takes nothing. */
const IS_WRITABLE = `SELECT current_setting('transaction_read_only') = 'off' AS writable`;

/**
 * Whether a load balancer should send requests here. That needs the database, and a disk for the settlements of a time
 * without it: else nothing is admitted. A dead vLLM is told but takes no replica out: it would take all of them, and clients
 * could not even read the error that explains it.
 */
@Injectable()
export class Readiness {
  private draining = false;
  private latest: { at: number; report: Promise<ReadinessReport> } | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly upstreams: Upstreams,
    private readonly spool: SettlementSpool,
    private readonly lease: ProcessLease,
  ) {}

  /** From now on not ready, so that no new requests arrive while the running ones end. */
  drain(): void {
    this.draining = true;
  }

  async report(): Promise<ReadinessReport> {
    const now = performance.now();
    if (!this.latest || now - this.latest.at > REPORT_LIFE_MS) {
      this.latest = { at: now, report: this.check() };
    }
    const report = await this.latest.report;
    return this.draining ? { ...report, status: 'draining' } : report;
  }

  private async check(): Promise<ReadinessReport> {
    const [database, upstream] = await Promise.all([
      upWithinTimeout(this.takesRequests()),
      upWithinTimeout(this.anyServes()),
    ]);
    const spool = this.spool.isFull ? 'down' : 'up';
    const isReady = database === 'up' && spool === 'up';
    return { status: isReady ? 'ok' : 'unavailable', database, spool, upstream };
  }

  /** Rejects when no vLLM does. A front end may answer for an engine that does not. */
  private anyServes(): Promise<void> {
    const checks = this.upstreams.all.map(async (upstream) => {
      if (!(await upstream.vllm.isHealthy()) || upstream.isDown) throw new Error('it does not');
    });
    return Promise.any(checks);
  }

  /** Admission needs to write, and a lease; one that ran out in a pause is renewed, as admission itself would. */
  private async takesRequests(): Promise<boolean> {
    const [row] = await this.dataSource.query<[{ writable: boolean }]>(IS_WRITABLE);
    return row.writable && (this.lease.isHeld || (await this.lease.renew()));
  }
}

/** Down when the check fails, answers false, or does not answer in time. */
async function upWithinTimeout(check: Promise<unknown>): Promise<'up' | 'down'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'down'>((resolve) => {
    timer = setTimeout(() => resolve('down'), CHECK_TIMEOUT_MS);
  });
  const result = check.then(
    (answer) => (answer === false ? ('down' as const) : ('up' as const)),
    () => 'down' as const,
  );
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
