/**
 * What a row of `limits` allows now, as SQL: every reader says it alike, and as `admit_requests()` decides. A raise that
 * is over needs nobody to end it.
 */
export function amountInForce(row: string): string {
  return `CASE WHEN ${row}.temporary_until > now() THEN coalesce(${row}.temporary_amount, ${row}.amount) ELSE ${row}.amount END`;
}
