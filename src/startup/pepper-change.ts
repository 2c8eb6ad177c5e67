import { createHmac } from 'node:crypto';
import type { DataSource } from 'typeorm';

/** The name under which the mark of the pepper lies in the table `settings`. */
const PEPPER_SETTING = 'api_key_pepper_mark';

/**
 * Keeps a mark of the pepper with the API keys, by which nobody gets at the pepper.
 * @returns one sentence when the mark was that of another one: nothing else tells a lost pepper from wrong keys. Once for
 * each change, of replicas that start at once too.
 */
export async function pepperChange(
  dataSource: Pick<DataSource, 'query'>,
  pepper: string,
): Promise<string | null> {
  const mark = createHmac('sha256', pepper).update(PEPPER_SETTING).digest('base64url');
  const [changed]: { since: Date | null }[] = await dataSource.query(
    `WITH known AS (SELECT updated_at FROM settings WHERE name = $1)
     INSERT INTO settings AS s (name, value) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now() WHERE s.value <> excluded.value
     RETURNING (SELECT updated_at FROM known) AS since`,
    [PEPPER_SETTING, mark],
  );
  if (!changed?.since) return null;
  return (
    `API_KEY_PEPPER is another one than that of this database since ${changed.since.toISOString()}: ` +
    'API keys made with that one do not work now'
  );
}
