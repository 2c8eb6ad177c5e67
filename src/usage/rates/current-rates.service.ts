import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { ApiException } from '../../common/api.exception';
import type { Principal } from '../../common/principal';
import { Env } from '../../config/env';
import { HotStatements } from '../../database/hot-statements';
import { GroupCommit } from '../admission/group-commit';
import { rateLimitHeaders, RateState, RateStates } from '../admission/rate-limit-headers';
import { LATE, TimeLimit } from '../admission/time-limit';
import { windowState } from '../limits/window-state';
import { EVERYONE } from '../limits/limit-store';

interface RateRow {
  /** Whose, by place. */
  place: number;
  metric: 'tokens' | 'requests';
  amount: string;
  remaining: string;
  resets_at: Date | null;
}

// Of each metric the limit with the least left, in the order in which admission looks. Those on one model are left out:
// these answers are about none, or about one that does not exist.
const RATES = `
  SELECT DISTINCT ON (a.place, w.metric) a.place::int, w.metric, s.amount,
    greatest(0, s.amount - s.used - s.reserved) AS remaining, s.resets_at
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS a (user_id, key_id, place)
  CROSS JOIN LATERAL (
    VALUES (1, 'user', a.user_id), (2, 'key', a.key_id), (3, 'everyone', '${EVERYONE}'::uuid)
  ) AS p (turn, subject, subject_id)
  JOIN limit_windows w ON w.subject = p.subject AND w.subject_id = p.subject_id AND w.model = ''
    AND w.metric IN ('tokens', 'requests') ${windowState('$3')}
  WHERE s.amount IS NOT NULL
  ORDER BY a.place, w.metric, s.amount - s.used - s.reserved, p.turn, w.id`;

/** How long an answer waits for what is left, in milliseconds: it comes without, rather than late. */
const PATIENCE_MS = 500;

/** Refusals that say it themselves, or of somebody of whom nothing can or should be told. */
const TELLS_NOTHING_MORE: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'quota_reserved',
  'rate_limit_exceeded',
  'invalid_api_key',
  'account_inactive',
  'database_unavailable',
]);

/** Whether a refusal of a caller who is known shall be told with what is left. */
export const wantsRates = (refusal: unknown): boolean =>
  !(refusal instanceof ApiException && TELLS_NOTHING_MORE.has(refusal.code));

/**
 * Looks up what is left of the caller's limits, for answers that admission has not told it to. One statement at a time
 * for all who ask: those who send nothing but bad requests take one connection, as those who are admitted do.
 */
@Injectable()
export class CurrentRates {
  private readonly group = new GroupCommit<Principal, RateStates>({
    commit: (askers) => this.look(askers),
    maxBatch: 128,
    lanes: 1,
    isolates: () => false,
  });
  private readonly patience = new TimeLimit(PATIENCE_MS);

  constructor(
    private readonly statements: HotStatements,
    private readonly env: Env,
  ) {}

  /** Never rejects: an answer without these headers is better than none. */
  async tell(principal: Principal, response: ServerResponse): Promise<void> {
    if (response.destroyed) return;
    try {
      const rates = await this.patience.wait(this.group.submit(principal));
      if (rates === LATE || response.headersSent) return;
      const headers = rateLimitHeaders(rates, new Date());
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    } catch {
      // PostgreSQL is away: whoever cannot do without it says so.
    }
  }

  private async look(askers: readonly Principal[]): Promise<RateStates[]> {
    const rows = await this.statements.run<RateRow>('current_rates', RATES, [
      askers.map(({ userId }) => userId),
      askers.map(({ apiKeyId }) => apiKeyId ?? null),
      this.env.LIMITS_TIME_ZONE,
    ]);
    const of = (metric: RateRow['metric'], place: number) =>
      toState(rows.find((row) => row.place === place && row.metric === metric));
    return askers.map((_, index) => ({
      tokens: of('tokens', index + 1),
      requests: of('requests', index + 1),
    }));
  }
}

function toState(row: RateRow | undefined): RateState | null {
  if (!row) return null;
  const remaining = Number(row.remaining);
  return { limit: Number(row.amount), remaining, found: remaining, resetsAt: row.resets_at };
}
