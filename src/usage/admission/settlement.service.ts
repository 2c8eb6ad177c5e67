import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements, isFaultOfOneItem } from '../../database/hot-statements';
import { plainArray } from '../../database/plain-array';
import { OpenRequests } from '../leases/open-requests';
import { SettlementSpool } from '../spool/settlement-spool.service';
import type { Settlement } from '../token-usage';
import { GATHER } from './gather';
import { GroupCommit } from './group-commit';
import { LateSettlements } from './late-settlements';
import { LATE, TimeLimit } from './time-limit';

const SETTLE = `SELECT settle_requests AS request_id FROM settle_requests($1::text, $2::uuid[], $3::text[], $4::text[],
  $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::integer[], $11::integer[])`;

const MAX_BATCH = 256;
/** How long PostgreSQL may take before a settlement is written to disk instead, in milliseconds. */
const SPOOL_AFTER_MS = 500;
/** Pauses between looks whether PostgreSQL is back, in milliseconds. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Closes reservations: writes the ledger row, moves counters from reserved to used and adds to the daily rollup, in one
 * statement a batch. Settling a request twice changes nothing. While PostgreSQL is away the spool holds what it shall
 * be told.
 */
@Injectable()
export class SettlementService {
  private readonly logger = new Logger(SettlementService.name);
  private readonly group: GroupCommit<Settlement, boolean>;
  private readonly pending = new Set<Promise<void>>();
  private readonly patience = new TimeLimit(SPOOL_AFTER_MS);
  /** Being told to PostgreSQL, or in line for that. */
  private readonly underWay = new Set<string>();
  private replaying = false;

  constructor(
    private readonly statements: HotStatements,
    private readonly late: LateSettlements,
    private readonly spool: SettlementSpool,
    private readonly open: OpenRequests,
    private readonly env: Env,
  ) {
    this.group = new GroupCommit({
      commit: (batch) => this.commit(batch),
      maxBatch: MAX_BATCH,
      lanes: 1,
      isolates: isFaultOfOneItem,
      gather: GATHER,
    });
  }

  /** Resolves once it cannot be lost any more: committed, or else on disk. Never rejects. */
  settle(settlement: Settlement): Promise<void> {
    const work = this.keep(settlement);
    this.pending.add(work);
    void work.then(() => this.pending.delete(work));
    return work;
  }

  /**
   * Enters what was kept on disk, a batch at a time: what is settled now is not to stand behind all of it.
   * @throws Error when PostgreSQL does not take it
   */
  async enterAll(settlements: readonly Settlement[]): Promise<void> {
    for (let at = 0; at < settlements.length; at += MAX_BATCH) {
      await Promise.all(settlements.slice(at, at + MAX_BATCH).map((settlement) => this.enter(settlement)));
    }
  }

  /** Resolves once every settlement begun so far is safe. */
  async drained(): Promise<void> {
    while (this.pending.size > 0) await Promise.allSettled(this.pending);
  }

  private async keep(settlement: Settlement): Promise<void> {
    const entered = await this.patience.wait(this.enter(settlement)).catch(() => LATE);
    if (entered !== LATE) return;
    await this.spool.append(settlement);
    void this.replay();
  }

  private async replay(): Promise<void> {
    if (this.replaying) return;
    this.replaying = true;
    let pause = FIRST_PAUSE_MS;
    while (!this.spool.isEmpty) {
      await sleep(pause, undefined, { ref: false });
      // A PostgreSQL that is slow may still be told of most of them the first time.
      const [first, ...others] = this.spool.held().filter(({ requestId }) => !this.underWay.has(requestId));
      if (!first) continue;
      try {
        // One to try with: a server that is away would be asked once for each.
        await this.enter(first);
        await this.enterAll(others);
        pause = FIRST_PAUSE_MS;
      } catch {
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
    this.replaying = false;
  }

  private async enter(settlement: Settlement): Promise<void> {
    this.underWay.add(settlement.requestId);
    try {
      if (!(await this.group.submit(settlement))) await this.late.enter(settlement);
    } catch (error) {
      if (!isFaultOfOneItem(error)) throw error;
      // Trying again would change nothing. Everything needed to enter it by hand is in the line.
      this.logger.error({ err: error, settlement }, 'settlement failed');
    } finally {
      this.underWay.delete(settlement.requestId);
    }
    this.open.end(settlement.requestId);
    if (this.spool.holds(settlement.requestId)) await this.spool.remove(settlement.requestId);
  }

  private async commit(batch: readonly Settlement[]): Promise<boolean[]> {
    const rows = await this.statements.run<{ request_id: string }>('settle_requests', SETTLE, [
      this.env.LIMITS_TIME_ZONE,
      plainArray(batch.map((entry) => entry.requestId)),
      plainArray(batch.map((entry) => entry.outcome)),
      plainArray(batch.map((entry) => entry.source)),
      plainArray(batch.map((entry) => entry.status)),
      plainArray(batch.map((entry) => entry.usage.prompt)),
      plainArray(batch.map((entry) => entry.usage.cached)),
      plainArray(batch.map((entry) => entry.usage.completion)),
      plainArray(batch.map((entry) => entry.usage.reasoning)),
      plainArray(batch.map((entry) => entry.timeToFirstTokenMs)),
      plainArray(batch.map((entry) => entry.durationMs)),
    ]);
    const settled = new Set(rows.map((row) => row.request_id));
    return batch.map((entry) => settled.has(entry.requestId));
  }
}
