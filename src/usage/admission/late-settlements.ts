import { Injectable, Logger } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements } from '../../database/hot-statements';
import type { Settlement } from '../token-usage';
import { GroupCommit } from './group-commit';

const SETTLE_LATE = `SELECT settle_late($1::text, $2::uuid, $3::uuid, $4::uuid, $5::text, $6::text, $7::boolean,
  $8::text, $9::text, $10::integer, $11::bigint, $12::bigint, $13::bigint, $14::bigint, $15::integer, $16::integer,
  $17::boolean) AS result`;

/** So many at a time, each a statement of its own: a spool holds thousands, and the pool is there for requests. */
const LANES = 2;

/**
 * Settlements whose request is not open any more: settled before, and then nothing changes; or taken for a dead
 * process' and settled at a checkpoint, which is put right now; or lost with the end of a database, and entered anew.
 */
@Injectable()
export class LateSettlements {
  private readonly logger = new Logger(LateSettlements.name);
  private readonly line: GroupCommit<Settlement, LateResult | undefined>;

  constructor(
    private readonly statements: HotStatements,
    private readonly env: Env,
  ) {
    this.line = new GroupCommit({
      commit: async ([settlement]) => [await this.settle(settlement as Settlement)],
      maxBatch: 1,
      lanes: LANES,
      isolates: () => false,
    });
  }

  /** @throws Error when it must be tried again */
  async enter(settlement: Settlement): Promise<void> {
    const result = await this.line.submit(settlement);
    if (result === 'open') throw new Error('admitted only now');
    if (result === 'corrected' || result === 'inserted') {
      this.logger.warn({ requestId: settlement.requestId, result }, 'settled late');
    }
  }

  private async settle(settlement: Settlement): Promise<LateResult | undefined> {
    const { usage } = settlement;
    const [row] = await this.statements.run<{ result: LateResult }>('settle_late', SETTLE_LATE, [
      this.env.LIMITS_TIME_ZONE,
      settlement.requestId,
      settlement.userId,
      settlement.apiKeyId,
      settlement.endpoint,
      settlement.model,
      settlement.stream,
      settlement.outcome,
      settlement.source,
      settlement.status,
      usage.prompt,
      usage.cached,
      usage.completion,
      usage.reasoning,
      settlement.timeToFirstTokenMs,
      settlement.durationMs,
      // What was refused cost nothing: it needs no row that is not there.
      settlement.outcome !== 'rejected',
    ]);
    return row?.result;
  }
}

type LateResult = 'corrected' | 'inserted' | 'known' | 'absent' | 'open';
