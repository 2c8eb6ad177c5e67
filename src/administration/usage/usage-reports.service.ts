import { Injectable, StreamableFile } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { csvFile, CsvPart } from '../../usage/csv-file';
import { resolveRange } from '../../usage/usage-range';
import { fromCursor, toCursor } from '../../common/page-cursor';
import { DEFAULT_PAGE_SIZE } from '../../common/page-query';
import { userOf } from './usage-filter';
import { GROUPINGS, PLACE_FORMS, sortKey } from './usage-groups';
import type { UsageReport, UsageReportQuery } from './usage-report.dto';
import { csvColumnsOf, Place } from './part-rows';
import { Question, ReportParts } from './report-parts.service';

const DEFAULT_SORTS = { user: 'id', key: 'id', model: '-tokens', day: 'name' } as const;

/** What all users have used together, added up by one of four things. */
@Injectable()
export class UsageReports {
  constructor(
    private readonly dataSource: DataSource,
    private readonly parts: ReportParts,
    private readonly env: Env,
  ) {}

  async page(query: UsageReportQuery): Promise<UsageReport> {
    const question = await this.questionOf(query);
    const { group, sort, range } = question;
    const place = placeOf(query, question);
    const { rows, totals, next } = await this.parts.page(question, place, query.limit ?? DEFAULT_PAGE_SIZE);
    return {
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      group_by: group,
      totals,
      data: rows,
      next_cursor: next ? toCursor('usage', [group, sort, next.value, next.id]) : null,
    };
  }

  async csv(query: UsageReportQuery): Promise<StreamableFile> {
    const question = await this.questionOf(query);
    const part = async (place: Place | null, state: { hasBegun: boolean }): Promise<CsvPart> => {
      const { rows, next } = await this.parts.csv(question, place, state);
      return { lines: rows, next: next && (() => part(next, { hasBegun: true })) };
    };
    const columns = csvColumnsOf(question.group);
    return csvFile(
      `usage-by-${question.group}.csv`,
      columns,
      await part(placeOf(query, question), { hasBegun: false }),
    );
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
}

function placeOf({ cursor }: UsageReportQuery, { group, sort }: Question): Place | null {
  if (cursor === undefined) return null;
  const forms = [new RegExp(`^${group}$`), new RegExp(`^${sort}$`), PLACE_FORMS[sortKey(sort)]];
  const [, , value = '', id = ''] = fromCursor('usage', cursor, [...forms, GROUPINGS[group].idForm]);
  return { value, id };
}
