import type { BlockingLimit } from './admission.exceptions';
import type { AdmissionRequest } from './admission.service';
import type { RateState, RateStates } from './rate-limit-headers';

/** What admission says to one request. `busy`: only other requests under way stand in its way. */
export type Verdict =
  | { readonly kind: 'admitted'; readonly granted: number; readonly rates: RateStates }
  | {
      readonly kind: 'exhausted' | 'busy' | 'rate_limited';
      readonly limit: BlockingLimit;
      readonly rates: RateStates;
    }
  | { readonly kind: 'user_inactive' | 'key_invalid' | 'model_forbidden' | 'in_flight' };

/** A row of admit_requests. */
export interface VerdictRow {
  verdict: Verdict['kind'];
  granted: string;
  limit_subject: BlockingLimit['subject'];
  limit_metric: BlockingLimit['metric'];
  limit_period: BlockingLimit['period'];
  /** Followed by OF_ONE_MODEL for a limit on one. */
  limit_set_by: string;
  limit_amount: string;
  limit_used: string;
  room_at: Date | null;
  token_limit: string | null;
  token_remaining: string;
  tokens_reset_at: Date | null;
  request_limit: string | null;
  request_remaining: string;
  requests_reset_at: Date | null;
}

const OF_ONE_MODEL = ' of one model';

/** What admit_request answers: the tightest limit, what is left of it, when it resets in seconds since 1970. */
export type Room = readonly [limit: string | null, left: string, resetsAt: string | null];

/** Of a request that was granted all it wanted. */
export function admittedInto([limit, left, resetsAt]: Room, granted: number): Verdict {
  const at = resetsAt === null ? null : new Date(Number(resetsAt) * 1_000);
  return { kind: 'admitted', granted, rates: { tokens: rateOf(limit, left, at, granted), requests: null } };
}

/** What of a request is told in a refusal. */
type Asked = Pick<AdmissionRequest, 'model' | 'minimum' | 'generates'>;

/** @param minimum what a limit on tokens had to have left for this request */
export function toVerdict(row: VerdictRow, { model, minimum, generates }: Asked): Verdict {
  const kind = kindOf(row);
  switch (kind) {
    case 'admitted':
      return { kind, granted: Number(row.granted), rates: ratesOf(row) };
    case 'exhausted':
    case 'busy':
    case 'rate_limited': {
      const [setBy, isOfOneModel] = setByOf(row);
      return {
        kind,
        limit: {
          subject: row.limit_subject,
          metric: row.limit_metric,
          period: row.limit_period,
          setBy,
          model: isOfOneModel ? model : null,
          amount: Number(row.limit_amount),
          used: Number(row.limit_used),
          needed: minimum,
          generates,
          roomAt: row.room_at,
        },
        rates: ratesOf(row),
      };
    }
    default:
      return { kind };
  }
}

const setByOf = ({ limit_set_by: said }: VerdictRow): [BlockingLimit['setBy'], isOfOneModel: boolean] =>
  said.endsWith(OF_ONE_MODEL)
    ? [said.slice(0, -OF_ONE_MODEL.length) as BlockingLimit['setBy'], true]
    : [said as BlockingLimit['setBy'], false];

/**
 * Requests at once are held by others under way alone: worth a wait, as tokens that others have reserved are. But where
 * nothing at once is allowed no place ever becomes free: who is told to come again would do so in vain.
 */
function kindOf({ verdict, limit_metric, limit_amount }: VerdictRow): Verdict['kind'] {
  if (verdict !== 'rate_limited' || limit_metric !== 'concurrent_requests') return verdict;
  return Number(limit_amount) === 0 ? 'exhausted' : 'busy';
}

const ratesOf = (row: VerdictRow): RateStates => ({
  tokens: rateOf(row.token_limit, row.token_remaining, row.tokens_reset_at, row.granted),
  requests: rateOf(
    row.request_limit,
    row.request_remaining,
    row.requests_reset_at,
    row.verdict === 'admitted' ? 1 : 0,
  ),
});

function rateOf(
  limit: string | null,
  left: string,
  resetsAt: Date | null,
  taken: string | number,
): RateState | null {
  if (limit === null) return null;
  const remaining = Number(left);
  return { limit: Number(limit), remaining, found: remaining + Number(taken), resetsAt };
}
