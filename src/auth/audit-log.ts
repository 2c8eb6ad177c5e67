import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';

/** Who acts, and in which request. */
export interface Actor {
  /** Null: whoever has the server's command line. */
  readonly actorId: string | null;
  readonly address?: string;
  readonly requestId?: string;
}

/**
 * What happened. Rows are for ever, so they name people by their ids alone: names, addresses of theirs and the like
 * stay out of before and after.
 */
export interface AuditEntry extends Actor {
  readonly action: string;
  readonly subject: string;
  readonly subjectId: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Appends to the audit log, in the transaction of what it tells of. */
@Injectable()
export class AuditLog {
  constructor(private readonly dataSource: DataSource) {}

  async record(entry: AuditEntry, manager: EntityManager = this.dataSource.manager): Promise<void> {
    await manager.query(
      `INSERT INTO audit_log (actor_id, action, subject, subject_id, before, after, address, request_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        entry.actorId,
        entry.action,
        entry.subject,
        entry.subjectId,
        entry.before ?? null,
        entry.after ?? null,
        entry.address ?? null,
        entry.requestId ?? null,
      ],
    );
  }
}
