import { Injectable, StreamableFile } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { ReportStatements } from '../../database/report-statements';
import { CountedFilter, countedParameters, sumsOf, SumsRow, UsageSums } from '../../usage/counted-usage';
import { csvFile, CsvPart } from '../../usage/csv-file';
import { resolveRange, UsageRange } from '../../usage/usage-range';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import { userOf } from './usage-filter';
import { GROUPINGS, PLACE_FORMS, reportPage, sortKey } from './usage-groups';
import { behindUser, reachOf, WalkedGroup, walkedFrom, walkedPage } from './usage-walk';
import type { Group, ReportSort, UsageReport, UsageReportQuery, UsageReportRow } from './usage-report.dto';

/** So many groups of a CSV are summed at one moment; the next ones are summed anew, unless they are in order of id. */
const CSV_PAGE = 10_000;

const DEFAULT_SORTS = { user: 'id', key: 'id', model: '-tokens', day: 'name' } as const;

const SUM_COLUMNS = [
  'requests',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'total_tokens',
] as const;

type GroupRow = SumsRow &
  UsageReportRowOfGroup & { totals: SumsRow; id: string | null; place: string; bound?: string | null };
type UsageReportRowOfGroup = Omit<UsageReportRow, keyof UsageSums>;

interface Question {
  readonly group: Group;
  readonly sort: ReportSort;
  readonly filter: CountedFilter;
  readonly range: UsageRange;
}

interface Place {
  readonly value: string;
  readonly id: string;
}

interface Size {
  readonly limit: number;
  /** Else it is part of a CSV: as much as is handy, and without totals. */
  readonly isPage: boolean;
}

interface Part {
  readonly rows: UsageReportRow[];
  readonly totals: UsageSums;
  /** Null: nothing comes behind it. */
  readonly next: Place | null;
}

/** What all users have used together, added up by one of four things. */
@Injectable()
export class UsageReports {
  constructor(
    private readonly dataSource: DataSource,
    private readonly statements: ReportStatements,
    private readonly env: Env,
  ) {}

  async page(query: UsageReportQuery): Promise<UsageReport> {
    const question = await this.questionOf(query);
    const { group, sort, range } = question;
    const { rows, totals, next } = await this.part(question, placeOf(query, question), {
      limit: query.limit ?? DEFAULT_PAGE_SIZE,
      isPage: true,
    });
    return {
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      group_by: group,
      totals,
      data: rows,
      next_cursor: next ? toCursor([group, sort, next.value, next.id]) : null,
    };
  }

  async csv(query: UsageReportQuery): Promise<StreamableFile> {
    const question = await this.questionOf(query);
    const part = async (place: Place | null): Promise<CsvPart<UsageReportRow>> => {
      const { rows, next } = await this.part(question, place, { limit: CSV_PAGE, isPage: false });
      return { rows, next: next && (() => part(next)) };
    };
    const columns = [...GROUPINGS[question.group].columns, ...SUM_COLUMNS];
    return csvFile(`usage-by-${question.group}.csv`, columns, await part(placeOf(query, question)));
  }

  private async questionOf(query: UsageReportQuery): Promise<Question> {
    const group = query.group_by ?? 'user';
    const [range, userId] = await Promise.all([
      resolveRange(this.dataSource, this.env.LIMITS_TIME_ZONE, query),
      userOf(this.dataSource, query),
    ]);
    return {
      group,
      sort: query.sort ?? DEFAULT_SORTS[group],
      filter: { userId, keyId: query.key_id, model: query.model },
      range,
    };
  }

  private async part(question: Question, place: Place | null, size: Size): Promise<Part> {
    const { group, sort, filter } = question;
    const isOfAll = filter.userId === undefined;
    if (isOfAll && sortKey(sort) === 'id' && (group === 'user' || group === 'key'))
      return this.walked({ ...question, group }, place, size);
    const together = isOfAll && (group === 'model' || group === 'day');
    const statement = reportPage(group, sort, { hasCursor: place !== null, together });
    const rows = await this.statements.run<GroupRow>(statement, [
      ...this.counted(question),
      size.limit + 1,
      ...(place ? [place.value, place.id] : []),
    ]);
    return partOf(rows, group, size.limit, null);
  }

  private async walked(
    question: Question & { group: WalkedGroup },
    place: Place | null,
    size: Size,
  ): Promise<Part> {
    const { group, sort, filter, range } = question;
    const isDescending = sort.startsWith('-');
    const limit = size.isPage ? size.limit : null;
    const reach = reachOf(range, limit, filter.keyId !== undefined || filter.model !== undefined);
    const rows = await this.statements.run<GroupRow>(walkedPage(group, isDescending, size.isPage), [
      ...this.counted(question),
      limit && limit + 1,
      reach.ofEachDay,
      reach.users,
      ...walkedFrom(group, place?.id, isDescending),
    ]);
    const bound = rows[0]?.bound;
    return partOf(
      rows,
      group,
      limit,
      bound ? { value: '', id: behindUser(group, bound, isDescending) } : null,
    );
  }

  private counted({ filter, range }: Question): unknown[] {
    return countedParameters(filter, this.env.LIMITS_TIME_ZONE, range);
  }
}

/**
 * @param limit null: of all rows
 * @param otherwise where to go on when there are no more than `limit` rows
 */
function partOf(
  rows: readonly GroupRow[],
  group: Group,
  limit: number | null,
  otherwise: Place | null,
): Part {
  const [first] = rows;
  if (!first) throw new Error('the usage report answered no total');
  // Beside the totals of nothing stands a row of nulls.
  const groups = rows.filter(({ id }) => id !== null);
  const last = limit !== null && groups.length > limit ? groups[limit - 1] : undefined;
  return {
    rows: groups.slice(0, limit ?? undefined).map((row) => shown(row, GROUPINGS[group].columns)),
    totals: sumsOf(first.totals),
    next: last ? { value: last.place, id: last.id ?? '' } : otherwise,
  };
}

function placeOf({ cursor }: UsageReportQuery, { group, sort }: Question): Place | null {
  if (cursor === undefined) return null;
  const forms = [new RegExp(`^${group}$`), new RegExp(`^${sort}$`), PLACE_FORMS[sortKey(sort)]];
  const [, , value = '', id = ''] = fromCursor(cursor, [...forms, GROUPINGS[group].idForm]);
  return { value, id };
}

function shown(row: GroupRow, columns: readonly (keyof UsageReportRow)[]): UsageReportRow {
  const group = Object.fromEntries(columns.map((column) => [column, row[column as keyof GroupRow]]));
  return { ...group, ...sumsOf(row) };
}
