import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';

/**
 * Runs what is read part by part, for as long as somebody downloads it. Through pg's pool itself, which uses a callback:
 * rows that come through a promise of pg's client, as with a query runner, survive the collections of young objects, and
 * stay until the next full one.
 */
@Injectable()
export class PartStatements {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  async run<Row extends QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
    const { master } = this.dataSource.driver as unknown as { master: Pool };
    const { rows } = await master.query<Row>(text, values);
    return rows;
  }
}
