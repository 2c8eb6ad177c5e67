import type { LimitView } from './dto/limit.dto';
import type { LimitRow } from './limit-store';

/** A limit as administrators see it; a raise that is over is none. */
export function toView(row: LimitRow): LimitView {
  const temporary =
    row.temporary_amount !== null &&
    row.temporary_until !== null &&
    row.temporary_until.getTime() > Date.now();
  return {
    id: row.id,
    subject: row.subject,
    subject_id: row.subject === 'everyone' ? null : row.subject_id,
    metric: row.metric,
    window: row.metric === 'concurrent_requests' ? null : row.period,
    model: row.model === '' ? null : row.model,
    amount: Number(row.amount),
    temporary: temporary
      ? { amount: Number(row.temporary_amount), until: (row.temporary_until as Date).toISOString() }
      : null,
    set_by: row.set_by,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
