import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Pool, Query, QueryResult, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';

/** How long a statement of the hot path may take, in milliseconds. */
const PATIENCE_MS = 3_000;

/**
 * A prepared statement as pg runs it. pg copies what it is given as an object property by property, descriptors and all,
 * which takes longer than all else it does before it writes; its own class it takes as it is.
 */
class PreparedQuery extends Query {
  // Without it a server that hangs would never be noticed: the connection is given up, and another one made.
  readonly query_timeout = PATIENCE_MS;

  /** @param name one name for one text: pg refuses a name used for two */
  constructor(
    readonly name: string,
    text: string,
    values: unknown[],
  ) {
    super(text, values);
  }
}

/** Runs the hand-written statements as prepared ones, through the same pool as the repositories. */
@Injectable()
export class HotStatements {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /**
   * @throws Error when PostgreSQL fails, or gives no answer within 3 s: what became of the statement is not known then
   */
  async run<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    // The pool answers with a promise also for a query of pg's own class, of which its types say otherwise.
    const answer = this.pool.query(new PreparedQuery(name, text, values)) as unknown as Promise<
      QueryResult<Row>
    >;
    return (await answer).rows;
  }

  private get pool(): Pool {
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }
}

/** SQLSTATE classes that speak of the data of one item (22: bad value, 23: broken constraint). */
export function isFaultOfOneItem(error: unknown): boolean {
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^(22|23)/.test(code);
}
