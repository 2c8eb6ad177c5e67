import type { EntityManager } from 'typeorm';
import { amountInForce } from '../../users/amount-in-force';
import type { KeyLimit, KeyLimitResponse } from './dto/key-limit.dto';

interface LimitOfKey {
  readonly id: string;
  readonly key_id: string;
  readonly metric: KeyLimit['metric'];
  readonly period: NonNullable<KeyLimit['window']>;
  readonly model: string;
  readonly amount: string;
  readonly set_by: 'self' | 'admin';
}

/** The limits that hold each of these keys now, in one query. */
export async function limitsOfKeys(
  keyIds: readonly string[],
  manager: EntityManager,
): Promise<Map<string, KeyLimitResponse[]>> {
  const rows: LimitOfKey[] = await manager.query(
    `SELECT id, subject_id AS key_id, metric, period, model, set_by,
       ${amountInForce('limits')} AS amount
     FROM limits WHERE subject = 'key' AND subject_id = ANY ($1)
     ORDER BY array_position(ARRAY['tokens', 'requests', 'concurrent_requests'], metric), model,
       array_position(ARRAY['minute', 'hour', 'day', 'week', 'month', 'total'], period), set_by`,
    [keyIds],
  );
  const limits = new Map<string, KeyLimitResponse[]>(keyIds.map((id) => [id, []]));
  for (const row of rows) limits.get(row.key_id)?.push(shown(row));
  return limits;
}

/** For a key that nobody can have used yet: its counters start at nothing. */
export async function insertFirstKeyLimits(
  keyId: string,
  limits: readonly KeyLimit[],
  manager: EntityManager,
): Promise<void> {
  for (const { metric, window, model, amount } of limits) {
    await manager.query(
      `INSERT INTO limits (subject, subject_id, metric, period, model, amount, set_by)
       VALUES ('key', $1, $2, $3, $4, $5, 'self')`,
      [keyId, metric, metric === 'concurrent_requests' ? 'total' : window, model ?? '', amount],
    );
  }
}

function shown({ id, metric, period, model, amount, set_by }: LimitOfKey): KeyLimitResponse {
  return {
    id,
    metric,
    window: metric === 'concurrent_requests' ? null : period,
    model: model === '' ? null : model,
    amount: Number(amount),
    set_by,
  };
}
