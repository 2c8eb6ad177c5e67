import { limitWarning, spentShare } from '../limits/limit-warning';

/** What is left of the tightest limit on one metric. */
export interface RateState {
  readonly limit: number;
  /** Of tokens: after what this request has reserved, if it has. */
  readonly remaining: number;
  /** What this request has found: before it reserved anything itself. */
  readonly found: number;
  /** null: never by itself. */
  readonly resetsAt: Date | null;
}

/** null where no limit applies. */
export interface RateStates {
  readonly tokens: RateState | null;
  readonly requests: RateState | null;
}

// Not put together anew for each answer.
const namesOf = (metric: 'requests' | 'tokens') => ({
  limit: `x-ratelimit-limit-${metric}`,
  remaining: `x-ratelimit-remaining-${metric}`,
  reset: `x-ratelimit-reset-${metric}`,
});
const NAMES = { requests: namesOf('requests'), tokens: namesOf('tokens') } as const;

/**
 * The headers OpenAI names `x-ratelimit-*`; a reset is a duration such as `1s` or `6m0s`, as theirs are. From 80 % of
 * the token limit on, a warning of our own.
 */
export function rateLimitHeaders(states: RateStates, now: Date): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const metric of ['requests', 'tokens'] as const) {
    const state = states[metric];
    if (state === null) continue;
    const names = NAMES[metric];
    headers[names.limit] = String(state.limit);
    headers[names.remaining] = String(state.remaining);
    if (state.resetsAt !== null) headers[names.reset] = duration(secondsUntil(state.resetsAt, now));
  }
  const share = states.tokens && spentShare({ limit: states.tokens.limit, remaining: states.tokens.found });
  if (share !== null && limitWarning(share) !== null) headers['x-llm-limit-warning'] = warningOf(share);
  return headers;
}

/** RFC 9651: an item with a parameter. Cut off, not rounded: 0.95 is said when 95 % are reached. */
function warningOf(share: number): string {
  return `tokens; used=${(Math.floor(share * 100) / 100).toFixed(2)}`;
}

/** Whole seconds, at least 1: who comes back then finds the window new. */
export function secondsUntil(at: Date, now: Date): number {
  return Math.max(1, Math.ceil((at.getTime() - now.getTime()) / 1_000));
}

function duration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  return (
    (hours > 0 ? `${hours}h` : '') + (hours > 0 || minutes > 0 ? `${minutes}m` : '') + `${seconds % 60}s`
  );
}
