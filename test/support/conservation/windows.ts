import type { DataSource } from 'typeorm';

/** More minutes than a run has, so that no two passings lead into the same past minute. */
const STEP_MINUTES = 30;

/**
 * Makes time pass for all windows of a minute: they, what was counted in them and what is under way in them move into
 * the past together, so the next admission begins a new window while old requests still hold room in the last one.
 */
export class PassingWindows {
  private passings = 0;

  constructor(private readonly dataSource: DataSource) {}

  /** @returns false when that would be yesterday, whose rollup is another, or something has moved already and runs on */
  async pass(): Promise<boolean> {
    this.passings += 1;
    const minutes = 60 + this.passings * STEP_MINUTES;
    return this.dataSource.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock(counting_lock())');
      const [today] = await manager.query<{ holds: boolean }[]>(
        // What is under way moves once: twice could bring it into yesterday, before a day that has not begun anew.
        `SELECT (now() - make_interval(mins => $1) - interval '1 hour')::date = now()::date
           AND NOT EXISTS (SELECT 1 FROM open_requests WHERE admitted_at < now() - interval '30 minutes') AS holds`,
        [minutes],
      );
      if (!today?.holds) return false;
      // What has passed already stays where it is.
      const current = `subject = 'user' AND period = 'minute' AND window_start > now() - interval '30 minutes'`;
      await manager.query(
        `UPDATE usage_records r SET admitted_at = r.admitted_at - make_interval(mins => $1)
         FROM (SELECT DISTINCT subject_id, window_start FROM limit_windows WHERE ${current}) w
         WHERE r.user_id = w.subject_id AND r.admitted_at >= w.window_start
           AND r.admitted_at < w.window_start + interval '1 minute'`,
        [minutes],
      );
      await manager.query(
        `UPDATE open_requests SET admitted_at = admitted_at - make_interval(mins => $1)
         WHERE user_id IN (SELECT subject_id FROM limit_windows WHERE ${current})`,
        [minutes],
      );
      await manager.query(
        `UPDATE limit_windows SET window_start = window_start - make_interval(mins => $1)
         WHERE ${current}`,
        [minutes],
      );
      return true;
    });
  }
}
