import { Client, QueryConfig } from 'pg';
import { Cluster, ROLE } from './cluster';

/** Held shared by every process that uses the server, and alone by the one that stops it. */
const USERS_LOCK = 7_263_551;
const CONNECT_TIMEOUT_MS = 2_000;
/** How long a server may take to say whether it has other users, and then to let us go. */
const LEAVE_PATIENCE_MS = 5_000;
/** What pg says of a query that had no answer in its time. */
const LATE = 'Query read timeout';

/**
 * Our place among the users of a server: a session that holds a shared advisory lock. It ends with the process, however
 * that dies, so the last one to leave can tell that it is the last.
 */
export class Membership {
  private lost = false;

  private constructor(
    private readonly client: Client,
    readonly port: number,
  ) {
    client.once('end', () => (this.lost = true));
  }

  /** Joins the server at a port; null when nobody answers there, or a server of another directory does. */
  static async join(cluster: Cluster, port: number): Promise<Membership | null> {
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: ROLE,
      password: await cluster.password(),
      database: 'postgres',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: 'embedded-postgres-user',
      keepAlive: true,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ here: boolean }>(
        `SELECT current_setting('data_directory') = $1 AS here`,
        [cluster.data],
      );
      if (rows[0]?.here) {
        // Waits while somebody is stopping the server, and fails when it is gone.
        await client.query('SELECT pg_advisory_lock_shared($1)', [USERS_LOCK]);
        return new Membership(client, port);
      }
    } catch {
      // Not there yet, or not there any more: the caller looks again.
    }
    await client.end().catch(() => undefined);
    return null;
  }

  /** Calls back when the server has gone away without us. */
  onLost(callback: () => void): void {
    if (this.lost) queueMicrotask(callback);
    else this.client.once('end', callback);
  }

  async ensureDatabase(name: string): Promise<void> {
    const { rowCount } = await this.client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount) return;
    await this.client.query(`CREATE DATABASE ${name}`).catch((error: { code?: string }) => {
      // Two at once: "already exists", or a collision in the catalogue.
      if (error.code !== '42P04' && error.code !== '23505') throw error;
    });
  }

  /**
   * Leaves. When nobody else is there, `stop` is called while newcomers still have to wait; a server that hangs cannot tell,
   * and is not ours to stop.
   */
  async leave(stop: () => Promise<void>, log: (line: string) => void): Promise<void> {
    this.client.removeAllListeners('end');
    const last = await this.isLast(log);
    try {
      if (last) await stop();
    } finally {
      await this.hangUp();
    }
  }

  /** Without its goodbye when it has none for us. */
  private async hangUp(): Promise<void> {
    const late = setTimeout(() => this.client.connection.stream.destroy(), LEAVE_PATIENCE_MS);
    await this.client.end().catch(() => undefined);
    clearTimeout(late);
  }

  /** Gives the shared lock back, and takes the other when nobody holds a shared one. */
  private async isLast(log: (line: string) => void): Promise<boolean> {
    try {
      await this.client.query(inTime('SELECT pg_advisory_unlock_shared($1)'));
      const { rows } = await this.client.query<{ last: boolean }>(
        inTime('SELECT pg_try_advisory_lock($1) AS last'),
      );
      return rows[0]?.last ?? false;
    } catch (error) {
      // One that is gone is nothing to leave.
      if ((error as Error).message === LATE)
        log(`the embedded PostgreSQL on port ${this.port} does not answer, and is left running`);
      return false;
    }
  }
}

const inTime = (text: string): QueryConfig & { readonly query_timeout: number } => ({
  text,
  values: [USERS_LOCK],
  query_timeout: LEAVE_PATIENCE_MS,
});
