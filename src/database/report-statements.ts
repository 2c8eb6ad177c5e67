import { Injectable, OnApplicationShutdown } from '@nestjs/common';
import { Client, Pool, PoolClient, PoolConfig, Query, QueryResultRow } from 'pg';
import { ApiException } from '../common/api.exception';
import { Env } from '../config/env';
import { orUnavailable } from './database-unavailable';
import { Slots } from './slots';
import { silenceBeyond, WatchedClient, WatchedClientConfig } from './watched-client';

/** How many reports of a process are added up at a time; others wait their turn. */
export const REPORTS_AT_A_TIME = 2;
/** How long a report may wait for its turn, or for a connection, in milliseconds. */
const PATIENCE_MS = 10_000;
/** How long the rest of a download may: a file that breaks off has to be asked for anew, from its first line. */
export const PATIENCE_WITHIN_A_FILE_MS = 600_000;
/** How long adding up may take, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** What PostgreSQL calls a statement that took longer than it may. */
const QUERY_CANCELED = '57014';

// One core of the database at most, so that generations keep the others; sums in memory; nothing compiled for one use.
const begin = (timeoutMs: number): string => `BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs};
  SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off`;

/**
 * Runs what adds up much, over connections of its own: a report takes none from those that generations are admitted and
 * settled with, however long it takes. They are made when somebody asks, and closed some seconds later.
 */
@Injectable()
export class ReportStatements implements OnApplicationShutdown {
  private readonly pool: Pool;
  private readonly slots = new Slots(REPORTS_AT_A_TIME, busy);
  private readonly running = new Set<PoolClient>();

  constructor(env: Env) {
    const config: PoolConfig & WatchedClientConfig = {
      Client: WatchedClient,
      silenceMs: silenceBeyond(STATEMENT_TIMEOUT_MS),
      connectionString: env.DATABASE_URL,
      max: REPORTS_AT_A_TIME,
      connectionTimeoutMillis: PATIENCE_MS,
      application_name: 'llm-user-management-api: reports',
      keepAlive: true,
      allowExitOnIdle: true,
    };
    this.pool = new Pool(config);
    // An idle connection that breaks is made again for the next report.
    this.pool.on('error', ignore);
  }

  /**
   * Each row is taken as it comes, and forgotten: those of a long part would be copied by collections of young objects.
   * @param patienceMs how long it may wait for its turn, in milliseconds
   * @throws ApiException 422 when it takes too long, 503 when its turn does not come, or there is no connection for it, or
   * that breaks
   */
  async each<Row extends QueryResultRow>(
    text: string,
    values: unknown[],
    take: (row: Row) => void,
    patienceMs = PATIENCE_MS,
  ): Promise<void> {
    try {
      await this.within(STATEMENT_TIMEOUT_MS, patienceMs, (client) => takeEach(client, text, values, take));
    } catch (error) {
      throw isCanceled(error) ? tooMuch(error) : error;
    }
  }

  /**
   * For what cannot be had in smaller parts, and may take longer than a report.
   * @throws ApiException 503 when its turn does not come, or there is no connection for it, or that breaks
   */
  async runWithin<Row extends QueryResultRow>(
    timeoutMs: number,
    text: string,
    values: unknown[],
  ): Promise<Row[]> {
    const rows: Row[] = [];
    await this.within(timeoutMs, PATIENCE_MS, (client) =>
      takeEach<Row>(client, text, values, (row) => rows.push(row)),
    );
    return rows;
  }

  private async within(
    timeoutMs: number,
    patienceMs: number,
    work: (client: PoolClient) => Promise<void>,
  ): Promise<void> {
    await this.slots.take(patienceMs);
    try {
      await this.connected(timeoutMs, work);
    } finally {
      this.slots.give();
    }
  }

  private async connected(timeoutMs: number, work: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await orUnavailable(this.pool.connect());
    let failure: Error | undefined;
    this.running.add(client);
    // What runs over it fails, too, when it breaks; an error that nobody listens to would end the process.
    client.on('error', ignore);
    const watched = client as unknown as WatchedClient;
    watched.allowSilence(silenceBeyond(timeoutMs));
    try {
      await client.query(begin(timeoutMs));
      await work(client);
      await client.query('COMMIT');
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      watched.allowUsualSilence();
      this.running.delete(client);
      client.off('error', ignore);
      // After a failure nobody knows what the connection is in the middle of.
      client.release(failure);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    // Whoever asked has been cut off by now.
    for (const client of this.running) (client as unknown as Client).end().catch(() => undefined);
    await this.pool.end();
  }
}

const ignore = (): void => undefined;

/** So many rows are taken in one turn of the event loop, a few more that came with them aside. */
const ROWS_AT_ONCE = 200;

/** With nobody who waits for all rows together, pg keeps none of them. */
function takeEach<Row extends QueryResultRow>(
  client: PoolClient,
  text: string,
  values: unknown[],
  take: (row: Row) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = client.query(new Query<Row>(text, values));
    let taken = 0;
    query.on('row', (row) => {
      taken += 1;
      if (taken % ROWS_AT_ONCE === 0) (client as unknown as WatchedClient).breathe();
      try {
        take(row);
      } catch (error) {
        // Thrown on from here, it would end the process; the rest of the rows comes all the same.
        reject(error as Error);
      }
    });
    query.on('end', () => resolve());
    query.on('error', reject);
  });
}

/** Whether PostgreSQL gave a statement up for the time it took. */
export const isCanceled = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === QUERY_CANCELED;

function busy(): ApiException {
  return new ApiException({
    status: 503,
    code: 'busy',
    message: 'Other reports are being added up at the moment; please repeat the request shortly.',
    headers: { 'retry-after': '10' },
  });
}

function tooMuch(cause: unknown): ApiException {
  return new ApiException({
    status: 422,
    code: 'range_too_long',
    param: 'from',
    message:
      'Adding up this range takes too long; ask for it in parts, or for one user, one key or one model of it.',
    cause,
  });
}
