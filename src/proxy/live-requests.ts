import { BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Env } from '../config/env';
import { AdmissionService } from '../usage/admission/admission.service';
import { SettlementService } from '../usage/admission/settlement.service';
import { OpenRequests } from '../usage/leases/open-requests';
import { ProcessLease } from '../usage/leases/process-lease.service';
import { RelayService } from './relay/relay.service';

/** The metered requests of this process, from their arrival to settlement; at shutdown they come first. */
@Injectable()
export class LiveRequests implements BeforeApplicationShutdown {
  private readonly running = new Map<string, Promise<unknown>>();
  private ended?: Promise<void>;

  constructor(
    private readonly relay: RelayService,
    private readonly admission: AdmissionService,
    private readonly settlements: SettlementService,
    private readonly open: OpenRequests,
    private readonly lease: ProcessLease,
    private readonly env: Env,
  ) {}

  track<T>(requestId: string, work: Promise<T>): Promise<T> {
    this.running.set(requestId, work);
    const forget = () => this.running.delete(requestId);
    work.then(forget, forget);
    return work;
  }

  /** Lets what runs finish within SHUTDOWN_GRACE_MS, ends the rest with an error frame, and sees all of it settled. */
  beforeApplicationShutdown(): Promise<void> {
    this.ended ??= this.end();
    return this.ended;
  }

  private async end(): Promise<void> {
    await Promise.race([this.allDone(), sleep(this.env.SHUTDOWN_GRACE_MS, undefined, { ref: false })]);
    this.admission.stop();
    this.relay.endAll('The gateway is shutting down.');
    await this.allSettled();
    await this.settlements.drained();
    await this.lease.end();
  }

  private async allDone(): Promise<void> {
    while (this.running.size > 0) await Promise.allSettled(this.running.values());
  }

  /** What has not been admitted by now never will be: it holds nothing, and its body may go on arriving for hours. */
  private async allSettled(): Promise<void> {
    const held = () => [...this.running].filter(([requestId]) => this.open.has(requestId));
    for (let last = held(); last.length > 0; last = held())
      await Promise.allSettled(last.map(([, work]) => work));
  }
}
