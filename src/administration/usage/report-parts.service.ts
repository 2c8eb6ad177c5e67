import { Injectable } from '@nestjs/common';
import { Env } from '../../config/env';
import { ReportStatements } from '../../database/report-statements';
import {
  CountedFilter,
  countedParameters,
  NO_KEY,
  sumsOf,
  SumsRow,
  UsageSums,
} from '../../usage/counted-usage';
import type { UsageRange } from '../../usage/usage-range';
import { leadersPage, mayHaveLeaders } from './usage-by-leaders';
import { IS_FEW, LOOK_AT, namedFrom, namedPage, ofFew } from './usage-by-name';
import { mostUsedFrom, mostUsedPage } from './usage-by-tokens';
import { GROUPINGS, reportPage, sortKey } from './usage-groups';
import type { Group, ReportSort, UsageReportRow } from './usage-report.dto';
import { behindAll, behindUser, reachOf, WalkedGroup, walkedFrom, walkedPage } from './usage-walk';

type GroupRow = SumsRow &
  Omit<UsageReportRow, keyof UsageSums> & { totals: SumsRow; id: string | null; place: string };
type Led = GroupRow & { is_exact: boolean };
type Bounded<Bound> = GroupRow & { bound: Bound | null };

export interface Question {
  readonly group: Group;
  readonly sort: ReportSort;
  readonly filter: CountedFilter;
  readonly range: UsageRange;
}
type WalkedQuestion = Question & { readonly group: WalkedGroup };

export interface Place {
  readonly value: string;
  readonly id: string;
}

export interface Size {
  readonly limit: number;
  /** Else it is part of a CSV: as much as is handy, and without totals. */
  readonly isPage: boolean;
}

export interface Part {
  readonly rows: UsageReportRow[];
  readonly totals: UsageSums;
  /** Null: nothing comes behind it. */
  readonly next: Place | null;
}

/** Reads a part of a report: from an order that is kept where there is one, else from the sums of all. */
@Injectable()
export class ReportParts {
  constructor(
    private readonly statements: ReportStatements,
    private readonly env: Env,
  ) {}

  of(question: Question, place: Place | null, size: Size): Promise<Part> {
    const { group, filter } = question;
    const key = sortKey(question.sort);
    if (filter.userId !== undefined || (group !== 'user' && group !== 'key'))
      return this.summed(question, place, size);
    const walked = { ...question, group };
    switch (key) {
      case 'id':
        return this.walked(walked, place, size);
      case 'name':
        return this.named(walked, place, size);
      case 'tokens':
        return this.mostUsed(walked, place, size);
    }
  }

  private async summed(question: Question, place: Place | null, size: Size): Promise<Part> {
    const { group, sort, filter } = question;
    const together = filter.userId === undefined && (group === 'model' || group === 'day');
    const statement = reportPage(group, sort, { hasCursor: place !== null, together });
    const rows = await this.statements.run<GroupRow>(statement, [
      ...this.counted(question),
      size.limit + 1,
      ...(place ? [place.value, place.id] : []),
    ]);
    return partOf(rows, group, size.limit, null);
  }

  /** From the leaders that are kept, if they are enough; whoever is beyond them is known when all are added up. */
  private async mostUsed(question: WalkedQuestion, place: Place | null, size: Size): Promise<Part> {
    const { group, sort } = question;
    const values = [...this.counted(question), size.limit + 1, ...(place ? mostUsedFrom(place) : [])];
    const hasPlace = place !== null;
    if (size.isPage && mayHaveLeaders(question)) {
      const rows = await this.statements.run<Led>(leadersPage(group, { hasPlace }), values);
      if (rows[0]?.is_exact) return partOf(rows, group, size.limit, null);
    }
    const isDescending = sort.startsWith('-');
    const statement = mostUsedPage(group, { isDescending, hasPlace, withTotals: size.isPage });
    const rows = await this.statements.run<GroupRow>(statement, values);
    return partOf(rows, group, size.limit, null);
  }

  /** In the order of the ids. */
  private async walked(
    question: WalkedQuestion,
    place: Place | null,
    size: Size,
    { ofSessions } = { ofSessions: question.filter.keyId === NO_KEY },
  ): Promise<Part> {
    const { group, filter, range } = question;
    const isDescending = question.sort.startsWith('-');
    const limit = size.isPage ? size.limit : null;
    const reach = reachOf(range, limit, filter.model !== undefined);
    const statement = walkedPage(group, {
      isDescending,
      ofSessions,
      withTotals: size.isPage,
    });
    const rows = await this.statements.run<Bounded<string>>(statement, [
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

  /** A page that would be short, because few of the names it came by used anything, is summed if all is little. */
  private async named(question: WalkedQuestion, place: Place | null, size: Size): Promise<Part> {
    const part =
      question.group === 'user'
        ? await this.namedRows(question, place, size)
        : await this.namedKeys(question, place, size);
    if (part.next === null || part.rows.length >= size.limit) return part;
    const asked = ofFew(this.env.LIMITS_TIME_ZONE, question.range);
    const [answer] = await this.statements.run<{ few: boolean }>(IS_FEW, asked);
    return answer?.few ? this.summed(question, place, size) : part;
  }

  /** What was used with sessions has no name, and so comes before all names, in the order of the users. */
  private async namedKeys(question: WalkedQuestion, place: Place | null, size: Size): Promise<Part> {
    const sessions = (from: Place | null, most: Size) =>
      this.walked(question, from, most, { ofSessions: true });
    if (question.filter.keyId === NO_KEY) return sessions(place, size);
    const keys = (from: Place | null, most: Size) => this.namedRows(question, from, most);
    const isDescending = question.sort.startsWith('-');
    const [first, second] = isDescending ? [keys, sessions] : [sessions, keys];
    if (place !== null && (place.value === '') === isDescending) return second(place, size);
    const part = await first(place, size);
    if (part.next !== null) return part;
    const room = size.limit - part.rows.length;
    const rest = await second(null, { ...size, limit: Math.max(room, 1) });
    if (room > 0) return { ...rest, rows: [...part.rows, ...rest.rows] };
    const isLast = rest.rows.length === 0 && rest.next === null;
    return { ...part, next: isLast ? null : { value: '', id: behindAll('key') } };
  }

  /** Of accounts, or of keys: what was used with sessions is not among those. */
  private async namedRows(question: WalkedQuestion, place: Place | null, size: Size): Promise<Part> {
    const { group } = question;
    const lookAt = LOOK_AT[size.isPage ? 'page' : 'csv'];
    const statement = namedPage(group, {
      isDescending: question.sort.startsWith('-'),
      hasPlace: place !== null,
      isPage: size.isPage,
    });
    const rows = await this.statements.run<Bounded<Place>>(statement, [
      ...this.counted(question),
      size.limit + 1,
      lookAt.names,
      lookAt.sums,
      ...(place ? namedFrom(place) : []),
    ]);
    return partOf(rows, group, size.limit, rows[0]?.bound ?? null);
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

function shown(row: GroupRow, columns: readonly (keyof UsageReportRow)[]): UsageReportRow {
  const group = Object.fromEntries(columns.map((column) => [column, row[column as keyof GroupRow]]));
  return { ...group, ...sumsOf(row) };
}
