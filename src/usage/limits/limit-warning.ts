/** How near a limit is to being used up. */
export type LimitWarning = '80_percent' | '95_percent';

/** The shares at which a warning begins, the highest first. */
const THRESHOLDS: readonly (readonly [share: number, warning: LimitWarning])[] = [
  [0.95, '95_percent'],
  [0.8, '80_percent'],
];

/** What of a limit is used or held by requests under way: 0 to 1. A limit of nothing is always used up. */
export function spentShare({ limit, remaining }: { limit: number; remaining: number }): number {
  return limit === 0 ? 1 : Math.min(1, Math.max(0, (limit - remaining) / limit));
}

/** null: there is nothing to warn of yet. */
export function limitWarning(share: number): LimitWarning | null {
  return THRESHOLDS.find(([threshold]) => share >= threshold)?.[1] ?? null;
}
