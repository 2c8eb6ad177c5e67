import type { EntityManager } from 'typeorm';
import type { Env } from '../config/env';
import { exemptFromDefault } from './default-exemptions';
import { DefaultInForce, defaultsInForce, holdDefaults, Metric, Period } from './default-limits';

/** What an administrator decided for a new user. It takes the place of the default for the same counter. */
export interface GivenLimit {
  readonly metric: Metric;
  /** Of concurrent requests: total. */
  readonly period: Period;
  /** Public model name, or '' for any. */
  readonly model: string;
  /** Null: no limit, not even the default one, now or later. */
  readonly amount: number | null;
}

export interface FirstLimits {
  /** The user's own monthly limit. */
  readonly tokenLimit?: number | null;
  readonly given?: readonly GivenLimit[];
}

type FirstLimit = GivenLimit & { readonly setBy: 'default' | 'admin' | 'self' };

const MONTHLY_TOKENS = { metric: 'tokens', period: 'month', model: '' } as const;

/** A monthly cap on tokens; null: none at all. */
export function monthlyTokens(amount: number | null): GivenLimit {
  return { ...MONTHLY_TOKENS, amount };
}

/** The monthly cap a new user will have; null when there is none. */
export async function firstTokenCap(
  manager: EntityManager,
  { given = [] }: FirstLimits,
  env: Env,
): Promise<number | null> {
  const cap = given.find((limit) => isSameCounter(limit, MONTHLY_TOKENS));
  if (cap) return cap.amount;
  const defaults = await defaultsInForce(manager, env);
  return defaults.find((limit) => isSameCounter({ ...limit, model: '' }, MONTHLY_TOKENS))?.amount ?? null;
}

export async function insertFirstLimits(
  manager: EntityManager,
  userId: string,
  chosen: FirstLimits,
  env: Env,
): Promise<void> {
  const defaults = await holdDefaults(manager, env);
  for (const { metric, period, model, amount, setBy } of firstLimits(chosen, defaults)) {
    await manager.query(
      `INSERT INTO limits (subject, subject_id, metric, period, model, amount, set_by)
       VALUES ('user', $1, $2, $3, $4, $5, $6)`,
      [userId, metric, period, model, amount, setBy],
    );
  }
  for (const { metric, period, model, amount } of chosen.given ?? []) {
    if (amount === null && model === '') await exemptFromDefault(manager, { userId, metric, period });
  }
}

export function isSameCounter(one: Omit<GivenLimit, 'amount'>, other: Omit<GivenLimit, 'amount'>): boolean {
  return one.metric === other.metric && one.period === other.period && one.model === other.model;
}

function firstLimits(
  { tokenLimit = null, given = [] }: FirstLimits,
  inForce: DefaultInForce[],
): FirstLimit[] {
  const defaults = inForce
    .map(({ metric, period, amount }) => ({ metric, period, model: '', amount }))
    .filter((limit) => !given.some((other) => isSameCounter(limit, other)));
  const limits: FirstLimit[] = [
    ...defaults.map((limit) => ({ ...limit, setBy: 'default' as const })),
    ...given.map((limit) => ({ ...limit, setBy: 'admin' as const })),
    { ...monthlyTokens(tokenLimit), setBy: 'self' },
  ];
  return limits.filter(({ amount }) => amount !== null);
}
