import type { EntityManager } from 'typeorm';
import type { Env } from '../config/env';

/** A limit that a new user begins with. */
interface FirstLimit {
  readonly metric: 'tokens' | 'requests' | 'concurrent_requests';
  readonly period: 'minute' | 'month' | 'total';
  readonly amount: number;
  readonly setBy: 'default' | 'admin' | 'self';
}

export interface FirstTokenLimits {
  /** The user's own monthly limit. */
  readonly tokenLimit?: number | null;
  /** The monthly cap an administrator gives; null: none at all; absent: the default. */
  readonly tokenCap?: number | null;
}

/** The monthly cap a new user will have; null when there is none. */
export function firstTokenCap(env: Env, { tokenCap }: FirstTokenLimits): number | null {
  if (tokenCap !== undefined) return tokenCap;
  return env.DEFAULT_TOKEN_LIMIT < 0 ? null : env.DEFAULT_TOKEN_LIMIT;
}

export async function insertFirstLimits(
  manager: EntityManager,
  userId: string,
  chosen: FirstTokenLimits,
  env: Env,
): Promise<void> {
  for (const { metric, period, amount, setBy } of firstLimits(chosen, env)) {
    await manager.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ('user', $1, $2, $3, $4, $5)`,
      [userId, metric, period, amount, setBy],
    );
  }
}

function firstLimits(chosen: FirstTokenLimits, env: Env): FirstLimit[] {
  const tokens = { metric: 'tokens', period: 'month' } as const;
  const cap = firstTokenCap(env, chosen);
  const limits: (Omit<FirstLimit, 'amount'> & { amount: number | null })[] = [
    { ...tokens, amount: cap, setBy: chosen.tokenCap === undefined ? 'default' : 'admin' },
    { ...tokens, amount: chosen.tokenLimit ?? null, setBy: 'self' },
    { metric: 'requests', period: 'minute', amount: env.DEFAULT_REQUESTS_PER_MINUTE, setBy: 'default' },
    {
      metric: 'concurrent_requests',
      period: 'total',
      amount: env.DEFAULT_CONCURRENT_REQUESTS,
      setBy: 'default',
    },
  ];
  return limits.filter((limit): limit is FirstLimit => limit.amount !== null && limit.amount >= 0);
}
