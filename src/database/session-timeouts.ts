import type { ClientBase } from 'pg';

/** How long a migration queues for a table, in milliseconds: as long, every request for that table queues behind it. */
const LOCK_TIMEOUT_MS = 2_000;

/** Of those that this PostgreSQL knows. */
const WITHOUT_LIMIT = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN
  ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')`;

/*
 * Statements, not options of the driver: it keeps a 0 to itself, so that what the role has would hold, and a pooler may
 * refuse or drop what is asked for while connecting.
 */

/** Lets statements take their time, as those that rewrite a large table, once they have what they need. */
export async function takeTime(client: ClientBase): Promise<void> {
  await client.query(WITHOUT_LIMIT);
  await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
}

/** Lets a session wait for a lock, and then do nothing but hold it, for as long as it takes. */
export async function waitWithoutEnd(client: ClientBase): Promise<void> {
  await client.query(WITHOUT_LIMIT);
  await client.query('SET lock_timeout = 0');
}
