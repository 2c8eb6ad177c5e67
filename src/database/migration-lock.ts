import { Client } from 'pg';
import { waitWithoutEnd } from './session-timeouts';

/** Held by the one process that migrates. Any number will do, as long as every version of the gateway uses it. */
const MIGRATION_LOCK = '7311823310495028001';

/**
 * Starts and migration commands take turns. The lock belongs to a session of its own, so that it ends with this process,
 * however that ends; who has it and asks for it again would wait for itself.
 */
export async function withMigrationLock<T>(
  url: string,
  log: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString: url, keepAlive: true });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await waitWithoutEnd(client);
    const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
      MIGRATION_LOCK,
    ]);
    if (!rows[0]?.free) {
      log('waiting for another process that migrates the database');
      await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    }
    return await work();
  } finally {
    await client.end().catch(() => undefined);
  }
}
