import type { EntityManager } from 'typeorm';
import type { CounterName } from './limit-counters.service';

const NAMED = `subject = $1 AND subject_id = $2 AND metric = $3 AND period = $4 AND model = $5`;

/** What the audit log tells of an owner's limit on a key, in the words of the API. */
export interface OwnKeyLimit {
  readonly id: string;
  readonly metric: string;
  readonly window: string | null;
  readonly model: string | null;
  readonly amount: number;
}

interface OwnRow {
  readonly id: string;
  readonly metric: string;
  readonly period: string;
  readonly model: string;
  readonly amount: string;
}

const COLUMNS = 'id, metric, period, model, amount';

/** True when the counter is there already, or the key may have one more. */
export async function mayCount(counter: CounterName, most: number, manager: EntityManager): Promise<boolean> {
  const [row] = await manager.query<[{ ok: boolean }]>(
    `SELECT count(*) < $6 OR coalesce(bool_or(metric = $3 AND period = $4 AND model = $5), false) AS ok
     FROM limit_windows WHERE subject = $1 AND subject_id = $2`,
    [...valuesOf(counter), most],
  );
  return row.ok;
}

export async function lockOwnLimit(
  counter: CounterName,
  manager: EntityManager,
): Promise<OwnKeyLimit | null> {
  const rows: OwnRow[] = await manager.query(
    `SELECT ${COLUMNS} FROM limits WHERE ${NAMED} AND set_by = 'self' FOR UPDATE`,
    valuesOf(counter),
  );
  return rows[0] ? toLimit(rows[0]) : null;
}

/** Ends a temporary amount too: what the owner says last holds. */
export async function putOwnLimit(
  counter: CounterName,
  amount: number,
  manager: EntityManager,
): Promise<OwnKeyLimit> {
  const rows: [OwnRow] = await manager.query(
    `INSERT INTO limits (subject, subject_id, metric, period, model, amount, set_by)
     VALUES ($1, $2, $3, $4, $5, $6, 'self')
     ON CONFLICT ON CONSTRAINT limits_one_each DO UPDATE
       SET amount = excluded.amount, temporary_amount = NULL, temporary_until = NULL, updated_at = now()
     RETURNING ${COLUMNS}`,
    [...valuesOf(counter), amount],
  );
  return toLimit(rows[0]);
}

/** Null when the owner has set no such limit on this key: those of administrators are not theirs to remove. */
export async function deleteOwnLimit(
  keyId: string,
  limitId: string,
  manager: EntityManager,
): Promise<OwnKeyLimit | null> {
  const [rows]: [OwnRow[], number] = await manager.query(
    `DELETE FROM limits WHERE id = $1 AND subject = 'key' AND subject_id = $2 AND set_by = 'self'
     RETURNING ${COLUMNS}`,
    [limitId, keyId],
  );
  return rows[0] ? toLimit(rows[0]) : null;
}

const toLimit = ({ id, metric, period, model, amount }: OwnRow): OwnKeyLimit => ({
  id,
  metric,
  window: metric === 'concurrent_requests' ? null : period,
  model: model === '' ? null : model,
  amount: Number(amount),
});

const valuesOf = ({ subject, subjectId, metric, period, model }: CounterName): string[] => [
  subject,
  subjectId,
  metric,
  period,
  model,
];
