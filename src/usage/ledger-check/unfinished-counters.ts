import type { ClientBase } from 'pg';
import { CounterNameRow, counterNameOf, NAMED_COUNTERS } from './counter-name';

const UNFINISHED = `
  SELECT n.* FROM limit_windows w JOIN (${NAMED_COUNTERS}) n USING (id)
  WHERE w.backfill_before >= w.window_start
  ORDER BY n.subject, n.subject_id, n.metric, n.period, n.model`;

/**
 * Counters of limits that are being set: what was used before them is not added yet. Nothing is wrong with that, as long as
 * it does not stay so; as a line each for people.
 */
export async function unfinishedCounters(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<CounterNameRow>(UNFINISHED);
  return rows.map((row) => {
    const { subject, counter, window } = counterNameOf(row);
    return (
      `${subject}: ${counter} ${window}: what was used before its limit was set is not added yet, and not compared; ` +
      'if this stays, set the limit once more'
    );
  });
}
