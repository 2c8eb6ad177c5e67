import type { EntityManager } from 'typeorm';
import type { Env } from '../config/env';

export type Metric = 'tokens' | 'requests' | 'concurrent_requests';
export type Period = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';

/** What a new user gets who is given nothing else there; over all models. */
export interface DefaultInForce {
  readonly metric: Metric;
  /** Of concurrent requests: total. */
  readonly period: Period;
  /** Null: none. */
  readonly amount: number | null;
  readonly setBy: 'configuration' | 'admin';
}

interface StoredDefault {
  readonly metric: Metric;
  readonly period: Period;
  readonly amount: string | null;
}

const DEFAULTS_LOCK = '7311823310495028005';

/** What administrators have set, and of the rest what the configuration says. */
export async function defaultsInForce(
  manager: Pick<EntityManager, 'query'>,
  env: Env,
): Promise<DefaultInForce[]> {
  const rows: StoredDefault[] = await manager.query(
    'SELECT metric, period, amount FROM default_limits ORDER BY metric, period',
  );
  const stored = rows.map(({ amount, ...counter }) => ({
    ...counter,
    amount: amount === null ? null : Number(amount),
    setBy: 'admin' as const,
  }));
  const configured = configuredDefaults(env).filter(
    ({ metric, period }) => !stored.some((other) => other.metric === metric && other.period === period),
  );
  return [...configured, ...stored];
}

/**
 * The same for whoever makes a user: until the end of the transaction nobody sets another default, so that who sets one finds
 * all users who got the one before.
 */
export async function holdDefaults(manager: EntityManager, env: Env): Promise<DefaultInForce[]> {
  // A statement of its own: the next one sees what was committed while this one waited.
  await manager.query('SELECT pg_advisory_xact_lock_shared($1)', [DEFAULTS_LOCK]);
  return defaultsInForce(manager, env);
}

/** From its commit on, new users get this one. @returns what they got before; null: none */
export async function storeDefault(
  manager: EntityManager,
  { metric, period, amount }: Omit<DefaultInForce, 'setBy'>,
  env: Env,
): Promise<DefaultInForce | null> {
  await manager.query('SELECT pg_advisory_xact_lock($1)', [DEFAULTS_LOCK]);
  const before = (await defaultsInForce(manager, env)).find(
    (other) => other.metric === metric && other.period === period,
  );
  await manager.query(
    `INSERT INTO default_limits (metric, period, amount) VALUES ($1, $2, $3)
     ON CONFLICT (metric, period) DO UPDATE SET amount = excluded.amount, updated_at = now()`,
    [metric, period, amount],
  );
  return before ?? null;
}

function configuredDefaults(env: Env): DefaultInForce[] {
  const configured: [Metric, Period, number][] = [
    ['tokens', 'month', env.DEFAULT_TOKEN_LIMIT],
    ['requests', 'minute', env.DEFAULT_REQUESTS_PER_MINUTE],
    ['concurrent_requests', 'total', env.DEFAULT_CONCURRENT_REQUESTS],
  ];
  return configured
    .filter(([, , amount]) => amount >= 0)
    .map(([metric, period, amount]) => ({ metric, period, amount, setBy: 'configuration' }));
}
