import { Injectable, OnApplicationShutdown } from '@nestjs/common';
import { Client, Pool, PoolClient, PoolConfig, QueryResultRow } from 'pg';
import { ApiException } from '../common/api.exception';
import { Env } from '../config/env';
import { orUnavailable } from './database-unavailable';
import { silenceBeyond, WatchedClient, WatchedClientConfig } from './watched-client';

/** How many reports of a process are added up at a time; others wait their turn. */
export const REPORTS_AT_A_TIME = 2;
/** How long a report may wait for its turn, or for PostgreSQL to answer, in milliseconds. */
const PATIENCE_MS = 10_000;
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

  /** @throws ApiException 422 when it takes too long, 503 when there is no connection for it, or it breaks */
  async run<Row extends QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return await this.runWithin<Row>(STATEMENT_TIMEOUT_MS, text, values);
    } catch (error) {
      throw isCanceled(error) ? tooMuch(error) : error;
    }
  }

  /**
   * For what cannot be had in smaller parts, and may take longer than a report.
   * @throws ApiException 503 when there is no connection for it, or it breaks
   */
  async runWithin<Row extends QueryResultRow>(
    timeoutMs: number,
    text: string,
    values: unknown[],
  ): Promise<Row[]> {
    const client = await orUnavailable(this.pool.connect());
    let failure: Error | undefined;
    this.running.add(client);
    // What runs over it fails, too, when it breaks; an error that nobody listens to would end the process.
    client.on('error', ignore);
    const watched = client as unknown as WatchedClient;
    watched.allowSilence(silenceBeyond(timeoutMs));
    try {
      await client.query(begin(timeoutMs));
      const { rows } = await client.query<Row>(text, values);
      await client.query('COMMIT');
      return rows;
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

/** Whether PostgreSQL gave a statement up for the time it took. */
export const isCanceled = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === QUERY_CANCELED;

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
