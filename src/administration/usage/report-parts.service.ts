import { Injectable } from '@nestjs/common';
import { Env } from '../../config/env';
import { PATIENCE_WITHIN_A_FILE_MS, ReportStatements } from '../../database/report-statements';
import { CountedFilter, countedParameters, NO_KEY } from '../../usage/counted-usage';
import type { UsageRange } from '../../usage/usage-range';
import { csvLineOf, GroupRow, Part, PartRows, Place, shownOf } from './part-rows';
import { leadersPage, mayHaveLeaders } from './usage-by-leaders';
import { IS_FEW, LOOK_AT, namedFrom, namedPage, ofFew } from './usage-by-name';
import { mostUsedFrom, mostUsedPage } from './usage-by-tokens';
import { reportPage, sortKey } from './usage-groups';
import type { Group, ReportSort, UsageReportRow } from './usage-report.dto';
import { behindAll, behindUser, reachOf, WalkedGroup, walkedFrom, walkedPage } from './usage-walk';

type Led = GroupRow & { is_exact: boolean };
type Bounded<Bound> = GroupRow & { bound: Bound | null };

export interface Question {
  readonly group: Group;
  readonly sort: ReportSort;
  readonly filter: CountedFilter;
  readonly range: UsageRange;
}
type WalkedQuestion = Question & { readonly group: WalkedGroup };

/** What of a part is wanted. */
interface Wanted<Row> {
  readonly limit: number;
  /** Else it is part of a CSV: as much as is handy, and without totals. */
  readonly isPage: boolean;
  /** How long it may wait for its turn, in milliseconds; undefined: as long as any report. */
  readonly patienceMs?: number;
  readonly shape: (row: GroupRow) => Row;
}

/**
 * So many groups are read for a CSV at a time: by tokens all are added up for each part, so there are few of those. By name
 * each part costs what it holds, and many small ones leave more room in between; by id they are as long as the walk is.
 */
const CSV_PART = { id: 25_000, tokens: 25_000, name: 1_000 } as const;

/** Reads a part of a report: from an order that is kept where there is one, else from the sums of all. */
@Injectable()
export class ReportParts {
  constructor(
    private readonly statements: ReportStatements,
    private readonly env: Env,
  ) {}

  page(question: Question, place: Place | null, limit: number): Promise<Part<UsageReportRow>> {
    return this.of(question, place, { limit, isPage: true, shape: shownOf(question.group) });
  }

  /** As lines: of many rows, texts are all that is kept. */
  csv(question: Question, place: Place | null, { hasBegun }: { hasBegun: boolean }): Promise<Part<string>> {
    const limit = CSV_PART[sortKey(question.sort)];
    const patienceMs = hasBegun ? PATIENCE_WITHIN_A_FILE_MS : undefined;
    return this.of(question, place, { limit, isPage: false, patienceMs, shape: csvLineOf(question.group) });
  }

  private of<Row>(question: Question, place: Place | null, wanted: Wanted<Row>): Promise<Part<Row>> {
    const { group, filter } = question;
    const key = sortKey(question.sort);
    if (filter.userId !== undefined || (group !== 'user' && group !== 'key'))
      return this.summed(question, place, wanted);
    const walked = { ...question, group };
    switch (key) {
      case 'id':
        return this.walked(walked, place, wanted);
      case 'name':
        return this.named(walked, place, wanted);
      case 'tokens':
        return this.mostUsed(walked, place, wanted);
    }
  }

  private async summed<Row>(
    question: Question,
    place: Place | null,
    wanted: Wanted<Row>,
  ): Promise<Part<Row>> {
    const { group, sort, filter } = question;
    const together = filter.userId === undefined && (group === 'model' || group === 'day');
    const statement = reportPage(group, sort, { hasCursor: place !== null, together });
    const rows = await this.read(wanted, statement, [
      ...this.counted(question),
      wanted.limit + 1,
      ...(place ? [place.value, place.id] : []),
    ]);
    return rows.part(null);
  }

  /** From the leaders that are kept, if they are enough; whoever is beyond them is known when all are added up. */
  private async mostUsed<Row>(
    question: WalkedQuestion,
    place: Place | null,
    wanted: Wanted<Row>,
  ): Promise<Part<Row>> {
    const { group, sort, range } = question;
    const values = [...this.counted(question), wanted.limit + 1, ...(place ? mostUsedFrom(place) : [])];
    const hasPlace = place !== null;
    if (wanted.isPage && mayHaveLeaders(question)) {
      const endsWithinDay = range.endDayStart < range.to;
      const statement = leadersPage(group, { hasPlace, endsWithinDay });
      const rows = await this.read<Led, Row>(wanted, statement, values);
      if (rows.first.is_exact) return rows.part(null);
    }
    const isDescending = sort.startsWith('-');
    const statement = mostUsedPage(group, { isDescending, hasPlace, withTotals: wanted.isPage });
    return (await this.read(wanted, statement, values)).part(null);
  }

  /** In the order of the ids. */
  private async walked<Row>(
    question: WalkedQuestion,
    place: Place | null,
    wanted: Wanted<Row>,
    { ofSessions } = { ofSessions: question.filter.keyId === NO_KEY },
  ): Promise<Part<Row>> {
    const { group, filter, range } = question;
    const isDescending = question.sort.startsWith('-');
    const limit = wanted.isPage ? wanted.limit : null;
    const reach = reachOf(range, limit, filter.model !== undefined);
    const statement = walkedPage(group, {
      isDescending,
      ofSessions,
      withTotals: wanted.isPage,
    });
    const values = [
      ...this.counted(question),
      limit && limit + 1,
      reach.ofEachDay,
      reach.users,
      ...walkedFrom(group, place?.id, isDescending),
    ];
    const rows = await this.read<Bounded<string>, Row>({ ...wanted, limit }, statement, values);
    const { bound } = rows.first;
    return rows.part(bound === null ? null : { value: '', id: behindUser(group, bound, isDescending) });
  }

  /** A page that would be short, because few of the names it came by used anything, is summed if all is little. */
  private async named<Row>(
    question: WalkedQuestion,
    place: Place | null,
    wanted: Wanted<Row>,
  ): Promise<Part<Row>> {
    const part =
      question.group === 'user'
        ? await this.namedRows(question, place, wanted)
        : await this.namedKeys(question, place, wanted);
    if (part.next === null || part.rows.length >= wanted.limit) return part;
    const asked = ofFew(this.env.LIMITS_TIME_ZONE, question.range);
    let isLittle = false;
    const take = ({ few }: { few: boolean }): void => void (isLittle = few);
    await this.statements.each(IS_FEW, asked, take, wanted.patienceMs);
    return isLittle ? this.summed(question, place, wanted) : part;
  }

  /** What was used with sessions has no name, and so comes before all names, in the order of the users. */
  private async namedKeys<Row>(
    question: WalkedQuestion,
    place: Place | null,
    wanted: Wanted<Row>,
  ): Promise<Part<Row>> {
    const sessions = (from: Place | null, most: Wanted<Row>) =>
      this.walked(question, from, most, { ofSessions: true });
    if (question.filter.keyId === NO_KEY) return sessions(place, wanted);
    const keys = (from: Place | null, most: Wanted<Row>) => this.namedRows(question, from, most);
    const isDescending = question.sort.startsWith('-');
    const [first, second] = isDescending ? [keys, sessions] : [sessions, keys];
    if (place !== null && (place.value === '') === isDescending) return second(place, wanted);
    const part = await first(place, wanted);
    if (part.next !== null) return part;
    const room = wanted.limit - part.rows.length;
    const rest = await second(null, { ...wanted, limit: Math.max(room, 1) });
    if (room > 0) return { ...rest, rows: [...part.rows, ...rest.rows] };
    const isLast = rest.rows.length === 0 && rest.next === null;
    return { ...part, next: isLast ? null : { value: '', id: behindAll('key') } };
  }

  /** Of accounts, or of keys: what was used with sessions is not among those. */
  private async namedRows<Row>(
    question: WalkedQuestion,
    place: Place | null,
    wanted: Wanted<Row>,
  ): Promise<Part<Row>> {
    const { group } = question;
    const lookAt = LOOK_AT[wanted.isPage ? 'page' : 'csv'];
    const statement = namedPage(group, {
      isDescending: question.sort.startsWith('-'),
      hasPlace: place !== null,
      isPage: wanted.isPage,
    });
    const rows = await this.read<Bounded<Place>, Row>(wanted, statement, [
      ...this.counted(question),
      wanted.limit + 1,
      lookAt.names,
      lookAt.sums,
      ...(place ? namedFrom(place) : []),
    ]);
    return rows.part(rows.first.bound);
  }

  private async read<Answer extends GroupRow, Row>(
    { limit, patienceMs, shape }: Omit<Wanted<Row>, 'limit'> & { limit: number | null },
    statement: string,
    values: unknown[],
  ): Promise<PartRows<Answer, Row>> {
    const rows = new PartRows<Answer, Row>(limit, shape);
    await this.statements.each<Answer>(statement, values, rows.take, patienceMs);
    return rows;
  }

  private counted({ filter, range }: Question): unknown[] {
    return countedParameters(filter, this.env.LIMITS_TIME_ZONE, range);
  }
}
