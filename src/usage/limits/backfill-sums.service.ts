import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { backfillFailure } from './backfill-failures';
import { isCanceled, ReportStatements } from '../../database/report-statements';

/** How long what was used before a new counter may take to be added up, in milliseconds: in minutes a year of a large ledger. */
const LONG_MS = 600_000;

/** Adds up what was used before a new counter, so that neither generations nor reports wait for it. */
@Injectable()
export class BackfillSums {
  private lastLong: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly dataSource: DataSource,
    private readonly reports: ReportStatements,
  ) {}

  /** Of a few users: an index has theirs together, and it is mostly done in milliseconds. */
  async ofFew<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return await this.dataSource.query<Row[]>(text, values);
    } catch (error) {
      if (!isCanceled(error)) throw error;
      return this.ofAll(text, values);
    }
  }

  /**
   * Of everybody, one after the other: the other connection for such work is left to reports.
   * @throws ApiException 422 when it takes too long, 503 when reports are in the way
   */
  async ofAll<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    const run = () => this.reports.runWithin<Row>(LONG_MS, text, values);
    const rows = this.lastLong.then(run, run);
    this.lastLong = rows;
    try {
      return await rows;
    } catch (error) {
      throw backfillFailure(error);
    }
  }
}
