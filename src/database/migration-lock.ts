import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { waitWithoutEnd } from './session-timeouts';

/** Held by the one process that migrates. Any number will do, as long as every version of the gateway uses it. */
const MIGRATION_LOCK = '7311823310495028001';

/** Asked again rather than queued for: a statement that waits would keep what all others delete from being cleared away. */
const PAUSE_MS = 1_000;

interface Turn {
  readonly url: string;
  readonly log: (line: string) => void;
  /** Called between the tries; what it throws ends them. */
  readonly proceed?: () => void;
}

/**
 * Starts and migration commands take turns. The lock belongs to a session of its own, so that it ends with this process,
 * however that ends; who has it and asks for it again would wait for itself.
 */
export async function withMigrationLock<T>({ url, log, proceed }: Turn, work: () => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, keepAlive: true });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await waitWithoutEnd(client);
    for (let tries = 1; !(await isOurs(client)); tries += 1) {
      if (tries === 1) log('waiting for another process that migrates the database');
      proceed?.();
      await sleep(PAUSE_MS);
    }
    return await work();
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function isOurs(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
    MIGRATION_LOCK,
  ]);
  return rows[0]?.free === true;
}
