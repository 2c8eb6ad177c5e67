const MONTHS = 6;

/**
 * For examples of times to come: the first of a month, half a year ahead of this start. One that is written down is over
 * some day, and refused from then on.
 */
export const TIME_AHEAD = firstOfMonth(new Date(), MONTHS);

/** Such as 2027-05-01T00:00:00Z. */
function firstOfMonth(now: Date, offset: number): string {
  const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1));
  return first.toISOString().replace('.000Z', 'Z');
}
