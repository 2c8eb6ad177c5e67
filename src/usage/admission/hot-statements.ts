import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';

/** Runs the hand-written statements as prepared ones, through the same pool as the repositories. */
@Injectable()
export class HotStatements {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** @param name one name for one text: pg refuses a name used for two. */
  async run<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    const result = await this.pool.query<Row>({ name, text, values });
    return result.rows;
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
