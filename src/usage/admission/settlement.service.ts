import { Injectable, Logger } from '@nestjs/common';
import { Env } from '../../config/env';
import type { Settlement } from '../token-usage';
import { GroupCommit } from './group-commit';
import { HotStatements, isFaultOfOneItem } from './hot-statements';

const SETTLE = `SELECT settle_requests AS request_id FROM settle_requests($1::text, $2::uuid[], $3::text[], $4::text[],
  $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::integer[], $11::integer[])`;

/** Pauses before a settlement that failed is tried again, in milliseconds. */
const RETRY_PAUSES_MS = [50, 200, 500, 1_000, 2_000, 5_000, 10_000, 10_000, 15_000, 15_000];

/**
 * Closes reservations: writes the ledger row, moves counters from reserved to used and adds to the daily rollup,
 * in one statement a batch. Settling a request twice changes nothing.
 */
@Injectable()
export class SettlementService {
  private readonly logger = new Logger(SettlementService.name);
  private readonly group: GroupCommit<Settlement, boolean>;
  private readonly pending = new Set<Promise<unknown>>();

  constructor(
    private readonly statements: HotStatements,
    private readonly env: Env,
  ) {
    this.group = new GroupCommit({
      commit: (batch) => this.commit(batch),
      maxBatch: 256,
      lanes: 1,
      isolates: isFaultOfOneItem,
    });
  }

  /** Resolves after the commit; false when the request was settled before, or PostgreSQL stayed away too long. */
  settle(settlement: Settlement): Promise<boolean> {
    const work = this.settleUntilCommitted(settlement).finally(() => this.pending.delete(work));
    this.pending.add(work);
    return work;
  }

  /** Resolves once every settlement begun so far has come to its end. */
  async drained(): Promise<void> {
    while (this.pending.size > 0) await Promise.allSettled(this.pending);
  }

  private async settleUntilCommitted(settlement: Settlement): Promise<boolean> {
    for (const pause of [...RETRY_PAUSES_MS, null]) {
      try {
        return await this.group.submit(settlement);
      } catch (error) {
        if (pause === null || isFaultOfOneItem(error)) {
          // Everything needed to enter it by hand is in the line.
          this.logger.error({ err: error, settlement }, 'settlement failed');
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    return false;
  }

  private async commit(batch: readonly Settlement[]): Promise<boolean[]> {
    const rows = await this.statements.run<{ request_id: string }>('settle_requests', SETTLE, [
      this.env.LIMITS_TIME_ZONE,
      batch.map((entry) => entry.requestId),
      batch.map((entry) => entry.outcome),
      batch.map((entry) => entry.source),
      batch.map((entry) => entry.status),
      batch.map((entry) => entry.usage.prompt),
      batch.map((entry) => entry.usage.cached),
      batch.map((entry) => entry.usage.completion),
      batch.map((entry) => entry.usage.reasoning),
      batch.map((entry) => entry.timeToFirstTokenMs),
      batch.map((entry) => entry.durationMs),
    ]);
    const settled = new Set(rows.map((row) => row.request_id));
    return batch.map((entry) => settled.has(entry.requestId));
  }
}
