/** What is left of the tightest limit on one metric. */
export interface RateState {
  readonly limit: number;
  /** Of tokens: after what this request has reserved. */
  readonly remaining: number;
  /** null: never by itself. */
  readonly resetsAt: Date | null;
}

/** null where no limit applies. */
export interface RateStates {
  readonly tokens: RateState | null;
  readonly requests: RateState | null;
}

/** The headers OpenAI names `x-ratelimit-*`; a reset is a duration such as `1s` or `6m0s`, as theirs are. */
export function rateLimitHeaders(states: RateStates, now: Date): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const metric of ['requests', 'tokens'] as const) {
    const state = states[metric];
    if (state === null) continue;
    headers[`x-ratelimit-limit-${metric}`] = String(state.limit);
    headers[`x-ratelimit-remaining-${metric}`] = String(state.remaining);
    if (state.resetsAt !== null) {
      headers[`x-ratelimit-reset-${metric}`] = duration(secondsUntil(state.resetsAt, now));
    }
  }
  return headers;
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
