import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuditLog } from '../../auth/audit-log';
import type { DefaultLimit, DefaultLimitChanged } from './dto/limit.dto';
import { LimitCounters } from './limit-counters.service';
import { EVERYONE } from './limit-store';
import type { Asker } from './token-limits.service';

/** Users whose limits are changed in one transaction: admission never waits for more. */
const AT_ONCE = 500;

/** What users have who were given nothing else. New users get it from configuration, others when an admin says so. */
@Injectable()
export class DefaultLimits {
  constructor(
    private readonly dataSource: DataSource,
    private readonly counters: LimitCounters,
    private readonly auditLog: AuditLog,
  ) {}

  /** Sets or takes away one default of every user who has no limit of an admin's there. */
  async change(asker: Asker, { metric, window, amount }: DefaultLimit): Promise<DefaultLimitChanged> {
    const period = metric === 'concurrent_requests' ? 'total' : (window ?? 'total');
    let users = 0;
    for (let after = EVERYONE; ;) {
      const ids = await this.usersAfter(after, { metric, period });
      const last = ids.at(-1);
      if (last === undefined) break;
      after = last;
      if (amount !== null) {
        for (const subjectId of ids) {
          await this.counters.ensure({ subject: 'user', subjectId, metric, period, model: '' });
        }
      }
      users += await this.write(ids, { metric, period, amount });
    }
    await this.auditLog.record({
      actorId: asker.principal.userId,
      action: 'limit.change_default',
      subject: 'everyone',
      subjectId: EVERYONE,
      after: { metric, window: period, amount, users },
      address: asker.client.address,
      requestId: asker.client.requestId,
    });
    return { users };
  }

  private async usersAfter(
    after: string,
    { metric, period }: { metric: string; period: string },
  ): Promise<string[]> {
    const rows: { id: string }[] = await this.dataSource.query(
      `SELECT u.id FROM users u WHERE u.id > $1 AND u.deleted_at IS NULL AND NOT EXISTS (
         SELECT 1 FROM limits l WHERE l.subject = 'user' AND l.subject_id = u.id AND l.metric = $2 AND l.period = $3
           AND l.model = '' AND l.set_by = 'admin')
       ORDER BY u.id LIMIT $4`,
      [after, metric, period, AT_ONCE],
    );
    return rows.map(({ id }) => id);
  }

  private async write(
    ids: readonly string[],
    { metric, period, amount }: { metric: string; period: string; amount: number | null },
  ): Promise<number> {
    if (amount === null) {
      const [, deleted]: [unknown, number] = await this.dataSource.query(
        `DELETE FROM limits WHERE subject = 'user' AND subject_id = ANY ($1) AND metric = $2 AND period = $3
           AND model = '' AND set_by = 'default'`,
        [ids, metric, period],
      );
      return deleted;
    }
    await this.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
       SELECT 'user', id, $2, $3, $4, 'default' FROM unnest($1::uuid[]) AS id
       ON CONFLICT ON CONSTRAINT limits_one_each DO UPDATE SET amount = excluded.amount, updated_at = now()`,
      [ids, metric, period, amount],
    );
    return ids.length;
  }
}
