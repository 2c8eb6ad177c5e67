/**
 * An array parameter of what needs no quotes and no escapes: numbers, booleans, UUIDs and words of ours; null is NULL. pg
 * looks through each element for what would need them.
 */
export function plainArray(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}
