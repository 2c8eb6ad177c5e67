import { csvLine, CsvValue } from '../../usage/csv';
import { sumsOf, SumsRow, UsageSums } from '../../usage/counted-usage';
import { GROUPINGS } from './usage-groups';
import type { Group, UsageReportRow } from './usage-report.dto';

/** What the statements of reports answer; beside the totals of nothing stands a row of nulls. */
export type GroupRow = SumsRow &
  Omit<UsageReportRow, keyof UsageSums> & { totals: SumsRow; id: string | null; place: string };

export interface Place {
  readonly value: string;
  readonly id: string;
}

export interface Part<Row> {
  readonly rows: Row[];
  readonly totals: UsageSums;
  /** Null: nothing comes behind it. */
  readonly next: Place | null;
}

/** A part of a report while its rows come: of each only what was asked for is kept. */
export class PartRows<Answer extends GroupRow, Row> {
  private readonly rows: Row[] = [];
  private last: Place | null = null;
  private hasMore = false;
  private answer: Answer | undefined;

  /** @param limit null: all rows belong to it */
  constructor(
    private readonly limit: number | null,
    private readonly shape: (row: GroupRow) => Row,
  ) {}

  readonly take = (row: Answer): void => {
    this.answer ??= row;
    if (row.id === null) return;
    if (this.rows.length === this.limit) {
      this.hasMore = true;
      return;
    }
    this.rows.push(this.shape(row));
    this.last = { value: row.place, id: row.id };
  };

  /** What a statement says of all its rows stands in the first one. */
  get first(): Answer {
    if (!this.answer) throw new Error('the usage report answered no total');
    return this.answer;
  }

  /** @param otherwise where to go on when there are no more than `limit` rows */
  part(otherwise: Place | null): Part<Row> {
    return {
      rows: this.rows,
      totals: sumsOf(this.first.totals),
      next: this.hasMore ? this.last : otherwise,
    };
  }
}

/** A row as JSON shows it. */
export const shownOf =
  (group: Group) =>
  (row: GroupRow): UsageReportRow => {
    const { columns } = GROUPINGS[group];
    const shown = Object.fromEntries(columns.map((column) => [column, row[column as keyof GroupRow]]));
    return { ...shown, ...sumsOf(row) };
  };

const SUM_COLUMNS = [
  'requests',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
] as const;

export const csvColumnsOf = (group: Group): readonly string[] => [
  ...GROUPINGS[group].columns,
  ...SUM_COLUMNS,
  'total_tokens',
];

/**
 * A row as CSV shows it. Of nothing but its values, which are texts already: an object for each row, put together from
 * others, survives the collections of young ones, and a long download would keep them until the next full one.
 */
export function csvLineOf(group: Group): (row: GroupRow) => string {
  const columns = [...GROUPINGS[group].columns, ...SUM_COLUMNS] as (keyof GroupRow)[];
  return (row) => {
    const values = columns.map((column) => row[column] as CsvValue);
    values.push(Number(row.prompt_tokens) + Number(row.completion_tokens));
    return csvLine(values);
  };
}
