import { BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Env } from '../config/env';
import { SettlementService } from '../usage/admission/settlement.service';
import { ProcessLease } from '../usage/leases/process-lease.service';
import { RelayService } from './relay/relay.service';

/** The metered requests of this process, from admission to settlement; at shutdown they come first. */
@Injectable()
export class LiveRequests implements BeforeApplicationShutdown {
  private readonly running = new Set<Promise<unknown>>();

  constructor(
    private readonly relay: RelayService,
    private readonly settlements: SettlementService,
    private readonly lease: ProcessLease,
    private readonly env: Env,
  ) {}

  track<T>(work: Promise<T>): Promise<T> {
    this.running.add(work);
    const forget = () => this.running.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** Lets what runs finish within SHUTDOWN_GRACE_MS, ends the rest with an error frame, and sees all of it settled. */
  async beforeApplicationShutdown(): Promise<void> {
    if (this.running.size > 0) {
      await Promise.race([this.allDone(), sleep(this.env.SHUTDOWN_GRACE_MS, undefined, { ref: false })]);
      this.relay.endAll('The gateway is shutting down.');
      await this.allDone();
    }
    await this.settlements.drained();
    await this.lease.end();
  }

  private async allDone(): Promise<void> {
    while (this.running.size > 0) await Promise.allSettled(this.running);
  }
}
