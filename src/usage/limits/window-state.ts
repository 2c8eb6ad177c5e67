import { amountInForce } from '../../users/amount-in-force';

/**
 * Joins to each counter, `limit_windows w`, how it stands now, as `s`: the smallest amount that applies to it (null: none),
 * used, reserved, resets_at.
 *
 * A counter is rolled by the next admission, not by the clock: until then its row still shows the old window. Requests
 * a minute or an hour slide as in admission: the part of the window before that still counts is in `used`.
 * @param zone the parameter that holds the zone of the limits, such as `$3`
 */
export const windowState = (zone: string): string => `
  CROSS JOIN LATERAL (
    SELECT limit_window_start(w.period, now(), ${zone}) AS start, limit_window_end(w.period, now(), ${zone}) AS end
  ) current
  CROSS JOIN LATERAL (
    SELECT w.metric <> 'concurrent_requests' AND current.start > w.window_start AS over
  ) rolled
  CROSS JOIN LATERAL (
    SELECT min(${amountInForce('i')}) AS amount
    FROM limits i
    WHERE i.subject = w.subject AND i.subject_id = w.subject_id AND i.metric = w.metric
      AND i.period = w.period AND i.model = w.model
  ) l
  CROSS JOIN LATERAL (
    SELECT l.amount,
      CASE WHEN rolled.over THEN 0 ELSE w.used END + CASE
        WHEN l.amount IS NOT NULL AND w.metric = 'requests' AND w.period IN ('minute', 'hour') THEN ceil(
          CASE WHEN NOT rolled.over THEN w.previous
            WHEN limit_window_end(w.period, w.window_start, ${zone}) = current.start THEN w.used ELSE 0 END
          * extract(epoch FROM current.end - now()) / extract(epoch FROM current.end - current.start))
        ELSE 0 END AS used,
      CASE WHEN rolled.over THEN 0 ELSE w.reserved END AS reserved,
      CASE WHEN w.metric = 'concurrent_requests' THEN NULL ELSE current.end END AS resets_at
  ) s`;
