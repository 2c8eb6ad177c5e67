/**
 * Whether PostgreSQL takes $1 for the zone it names. Node's list is another one: it has names that PostgreSQL does not
 * know, and `IST` is Kolkata there, but an abbreviation of Israel's time here, where abbreviations are looked up first.
 */
const MEANS_A_ZONE = `
  SELECT EXISTS (SELECT 1 FROM pg_timezone_names WHERE lower(name) = lower($1)) AND NOT EXISTS (
    SELECT 1 FROM pg_timezone_abbrevs
    WHERE lower(abbrev) = lower($1) AND upper(abbrev) NOT IN ('UTC', 'GMT', 'UCT', 'ZULU')) AS known`;

/**
 * Why days cannot be counted in this zone; null when they can.
 * @param query runs a statement and gives its rows
 */
export async function zoneProblem(
  zone: string,
  query: (sql: string, parameters: [string]) => Promise<{ known: boolean }[]>,
): Promise<string | null> {
  // Nearly every start; the list of names is made from hundreds of files.
  if (zone === 'UTC') return null;
  const [row] = await query(MEANS_A_ZONE, [zone]);
  if (row?.known) return null;
  return (
    `LIMITS_TIME_ZONE is ${zone}, which PostgreSQL does not know as a time zone or takes for an abbreviation: ` +
    'set it to a place such as Asia/Kolkata.'
  );
}
