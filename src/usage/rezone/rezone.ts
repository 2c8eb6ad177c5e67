import type { ClientBase } from 'pg';
import { firstWholeDay } from '../retention/first-whole-day';
import { zoneProblem } from '../limits/known-time-zone';
import { ZONE_SETTING } from '../limits/limits-time-zone.service';

/** The time zone of the counters cannot be changed now; the message says why, and what to do. */
export class RezoneRefused extends Error {}

const NIL = '00000000-0000-0000-0000-000000000000';

const REBUILD_DAYS = `
  INSERT INTO usage_daily AS t (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens, completion_tokens,
    reasoning_tokens)
  SELECT user_id, (admitted_at AT TIME ZONE $2)::date, coalesce(key_id, '${NIL}'), model, count(*), sum(prompt_tokens),
    sum(cached_tokens), sum(completion_tokens), sum(reasoning_tokens)
  FROM usage_records WHERE admitted_at >= day_start($3::date, $1)
  GROUP BY 1, 2, 3, 4
  ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET
    requests = t.requests + excluded.requests,
    prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = t.cached_tokens + excluded.cached_tokens,
    completion_tokens = t.completion_tokens + excluded.completion_tokens,
    reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens`;

// What was dropped was counted in the zone before: a day of the new zone may have lost some of its hours. The hour is the
// one that firstWholeDay() adds.
const KEEP_FROM = `
  UPDATE usage_retention SET kept_from = greatest(kept_from, day_start($2::date, $1) - interval '1 hour')`;

const RECOUNT = `
  WITH counters AS MATERIALIZED (
    SELECT w.id, w.subject, w.subject_id, w.metric, w.model, limit_window_start(w.period, now(), $1) AS start
    FROM limit_windows w WHERE w.period <> 'total'
  ), counted AS (
    SELECT c.id, sum(CASE c.metric WHEN 'tokens' THEN r.prompt_tokens + r.completion_tokens ELSE 1 END) AS used
    FROM usage_records r
    CROSS JOIN LATERAL (VALUES ('user', r.user_id), ('key', r.key_id), ('everyone', '${NIL}'::uuid)) AS p (subject, id)
    JOIN counters c ON c.subject = p.subject AND c.subject_id = p.id AND (c.model = '' OR c.model = r.model)
      AND r.admitted_at >= c.start
    WHERE r.admitted_at >= (SELECT min(start) FROM counters)
    GROUP BY c.id
  )
  UPDATE limit_windows w SET window_start = c.start, used = coalesce(n.used, 0), previous = 0, backfill_before = NULL
  FROM counters c LEFT JOIN counted n USING (id) WHERE w.id = c.id`;

/**
 * Counts the windows under way and the days of the rollups anew, in another time zone; all or nothing.
 * @returns the zone it was before, null when nothing has ever been counted
 * @throws RezoneRefused while gateways run or requests are open, and for a zone that PostgreSQL does not know
 */
export async function rezone(
  client: ClientBase,
  zone: string,
  log: (line: string) => void,
): Promise<string | null> {
  const problem = await zoneProblem(zone, async (sql, parameters) => {
    return (await client.query<{ known: boolean }>(sql, parameters)).rows;
  });
  if (problem !== null) throw new RezoneRefused(problem);
  await client.query('BEGIN');
  try {
    await client.query('SET LOCAL statement_timeout = 0');
    await client.query('SELECT pg_advisory_xact_lock(counting_lock())');
    // Held until the end: a gateway that starts meanwhile waits here, and then finds the new zone.
    const { rows } = await client.query<{ value: string }>(
      'SELECT value FROM settings WHERE name = $1 FOR UPDATE',
      [ZONE_SETTING],
    );
    const before = rows[0]?.value ?? null;
    if (before !== null && before !== zone) {
      await refuseWhileRunning(client, before);
      // Of days whose records retention has dropped only the rollup is left: they stay as they were.
      const first = await firstWholeDay(client, before);
      // Of no day the totals are known any more: the next gateway adds them up.
      await client.query(`SELECT close_usage_days('-infinity')`);
      log('counting the days of the rollups …');
      await client.query('DELETE FROM usage_daily WHERE day >= $1::date', [first]);
      await client.query(REBUILD_DAYS, [before, zone, first]);
      await client.query(KEEP_FROM, [before, first]);
      log('counting the windows under way …');
      await client.query(RECOUNT, [zone]);
      await client.query('UPDATE settings SET value = $2, updated_at = now() WHERE name = $1', [
        ZONE_SETTING,
        zone,
      ]);
    }
    await client.query('COMMIT');
    return before;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function refuseWhileRunning(client: ClientBase, zone: string): Promise<void> {
  const { rows } = await client.query<{ running: string; open: string }>(
    `SELECT (SELECT count(*) FROM processes WHERE lease_until > clock_timestamp()) AS running,
       (SELECT count(*) FROM open_requests) AS open`,
  );
  const [running, open] = [Number(rows[0]?.running), Number(rows[0]?.open)];
  if (running > 0) {
    throw new RezoneRefused(
      `${running} gateways run on this database, or were killed within the last minute: stop them and run this again.`,
    );
  }
  if (open > 0) {
    throw new RezoneRefused(
      `${open} requests of a killed gateway are still open: start a gateway with LIMITS_TIME_ZONE=${zone} for a minute, ` +
        'so that it settles them, stop it, and run this again.',
    );
  }
}
